"""The write-ahead log: segments, group commit, and the loader that hands segments to the engine."""
