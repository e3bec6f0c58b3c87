"""HTTP routes: ours under `v1`, those of other tools under `compat`."""
