"""The platform: takes telemetry in, keeps it, and answers questions about it."""
