"""Benchmarks: one module per source format, from the original files or the hub to `Sample`."""
