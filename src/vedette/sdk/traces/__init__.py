"""Traces: OpenTelemetry's API (`opentelemetry.trace`) on spans that cost microseconds.

Every contrib instrumentation, propagator and context works on it; nothing of `opentelemetry-sdk` is loaded.
"""
