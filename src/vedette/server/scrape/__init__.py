"""Scraping with Prometheus' own configuration: targets, discovery, relabeling, exposition formats."""
