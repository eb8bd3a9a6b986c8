"""What collecting a cell has cost, kept for good, and what the next one will probably cost.

`record` and `log` keep readings, `meter` takes them; `estimate`, `missing` and `total` look ahead.
"""
