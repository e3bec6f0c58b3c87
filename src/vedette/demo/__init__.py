"""A small shop of real processes, instrumented with the official OpenTelemetry packages."""
