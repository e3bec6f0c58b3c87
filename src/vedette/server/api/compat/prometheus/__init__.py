"""Prometheus' HTTP API: the base URL for data sources and tools is ``…/prometheus``.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""
