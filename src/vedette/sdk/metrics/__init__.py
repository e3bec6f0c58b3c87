"""Metrics: counting costs one C call, everything else happens when somebody looks."""
