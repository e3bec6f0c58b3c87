"""Prometheus' rule files."""
