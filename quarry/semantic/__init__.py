"""The semantic check: runs a sample of a file's rows through the model again and compares.

The only check that finds a wrong but intact file: states of another layer, another position,
another sample or another model have the right shape, the right digests and plausible values.
"""
