"""Compiled loops over samples: windows of range vectors, groups of series, buckets of histograms.

Series lie in pools: series `k` has the samples ``first[k] … last[k]-1`` of `times` (ms, strictly ascending) and
`values`.
Results are matrices of series by steps; `present` marks the points that exist. Kernels release the interpreter's lock,
are compiled when first used and then kept on disk.
"""
