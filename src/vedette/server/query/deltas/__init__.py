"""Which spans are different, and in what: attribute deltas and the latency heat map."""
