"""AI agents: spans, metrics, logs and audit events from the points that every agent loop passes."""
