"""The SDK: what runs inside the user's process.

The folders follow the way that telemetry takes: a program writes to `traces`, `logs` and `metrics` (by hand, or
through `web` and `instrumentation`), one background thread turns that into OTLP (`otlp`) and `export` delivers it.
Nothing here imports the platform.
"""
