"""Statistics of labelled cells: accuracy with its interval, class balance, power of comparisons.

Pure functions of counts; what counts as correct is decided in `quarry.grading`.
"""
