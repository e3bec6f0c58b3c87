"""PromQL: Prometheus' query language, its answers included."""
