"""Which problems make up a dataset: difficulty, quotas of strata, the choice, its files and checks.

How a model does on a problem is found out in `quarry.necessity`; overlap with other sets in
`quarry.leakage`.
"""
