"""`Problem`: a word problem with a number as its answer, as necessity is tested on.

Which problems are candidates, and in which shard each is, lives in `quarry.necessity.pool`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One candidate.

    Args:
        id: split and row of the source, such as `test_17`; stable for ever.
        question: as the source gives it.
        answer: the gold answer, a plain number such as `1200`.
        solution: the full gold solution.
        source: the split it comes from, such as `test`.
    """

    id: str
    question: str
    answer: str
    solution: str
    source: str
