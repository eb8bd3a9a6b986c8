"""Evaluation sets on disk: equivalent completions, tokenised, as `datasets` directory and JSON.

No Dagster, no sampling, no grading: a graded table in, a set out; a set in, its rows, its metric
and what is wrong with it out.
"""
