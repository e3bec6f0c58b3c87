"""Logs: the caller captures, the background thread formats, redacts, writes and sends.

A captured record is a plain tuple (`records.Captured`); the standard library's records and OpenTelemetry's come the
same way.
"""
