"""Whether a model needs its chain of thought for a problem: candidates, methods, results.

How a model runs lives in `quarry.inference`; what is chosen from results, in `quarry.selection`.
"""
