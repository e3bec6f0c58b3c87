"""Benchmarks: each module measures one thing and prints a table; `python -m bench` runs them all."""
