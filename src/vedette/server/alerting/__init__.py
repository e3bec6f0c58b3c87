"""Alerts on their way to Alertmanagers, as Prometheus tells them."""
