"""Whole numbers in proportion to weights: Webster's divisor method, a seat at a time.

Largest remainders would be fairer by a hair, but can take a seat away when there are more of them:
here nobody ever has fewer, so that a larger dataset holds the smaller one.
Source: M. L. Balinski and H. P. Young (1982), Fair Representation.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from fractions import Fraction

Weights = Mapping[str, Fraction]


def apportion(
    seats: int,
    weights: Weights,
    *,
    held: Mapping[str, int] | None = None,
    most: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Hand out seats one by one, each to the name that is furthest below its share.

    The first n seats are the same however many there are. Among equals the first name is served.

    Args:
        seats: how many are handed out; fewer where all names have reached their `most`.
        weights: by name; a name of weight 0 gets none.
        held: seats that names have beforehand.
        most: how many a name may have in the end, `held` included.

    Returns:
        Seats by name, `held` included.
    """
    result = {name: (held or {}).get(name, 0) for name in weights}
    queue: list[tuple[Fraction, int, str]] = []

    def enter(place: int, name: str) -> None:
        is_open = most is None or result[name] < most.get(name, 0)
        if weights[name] > 0 and is_open:
            heapq.heappush(queue, (-weights[name] / (2 * result[name] + 1), place, name))

    for place, name in enumerate(weights):
        enter(place, name)
    while seats > 0 and queue:
        _, place, name = heapq.heappop(queue)
        result[name] += 1
        seats -= 1
        enter(place, name)
    return result
