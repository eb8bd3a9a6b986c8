"""Whether texts occur in other sets of texts, as they are, in part or a little changed.

Knows texts and ids only. What a set is for, and what follows from a hit, its callers know.
"""
