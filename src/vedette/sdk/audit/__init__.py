"""Audit events: on the local disk before the call returns, with or without a platform."""
