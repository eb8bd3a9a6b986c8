"""What a comparison of two groups can show: power, the smallest effect, the rows that are lacking.

An effect is Cohen's d: the difference of two means in units of the common standard deviation. Here
it is that of one number a row, such as a projection of its hidden states, between the correct and
the incorrect rows. Which rows are compared is decided in `quarry.audit.comparisons`.

Everything is for a two-sided two-sample t test of independent rows with one spread, with the exact
noncentral distribution: the usual normal approximation promises too much where a class is small
(d = 1.70 instead of 1.91 for 5 rows against 6), and these are the cells in doubt.

Source: J. Cohen (1988), Statistical power analysis for the behavioral sciences, 2nd ed., chapter 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from quarry.statistics.student import rejection_rate

CONVENTIONAL_EFFECTS = (0.2, 0.5, 0.8)
"""Cohen's small, medium and large."""
FEWEST_ROWS = 2
"""A group of one row has no spread to measure a difference by."""
_N_HALVINGS = 40


@lru_cache(maxsize=4096)
def power(effect: float, n_one: int, n_other: int, *, alpha: float) -> float:
    """How often a difference of this size is found with groups of these sizes.

    Args:
        effect: Cohen's d; its sign does not matter.
        n_one: rows of one group.
        n_other: rows of the other.
        alpha: level of the two-sided test.

    Returns:
        A probability; 0 where a group has fewer than two rows.
    """
    if min(n_one, n_other) < FEWEST_ROWS:
        return 0.0
    noncentrality = abs(effect) * math.sqrt(n_one * n_other / (n_one + n_other))
    return rejection_rate(noncentrality, n_one + n_other - 2, alpha)


@lru_cache(maxsize=4096)
def smallest_effect(n_one: int, n_other: int, *, alpha: float, wanted: float) -> float | None:
    """The smallest Cohen's d that groups of these sizes find with the wanted power.

    Args:
        n_one: rows of one group.
        n_other: rows of the other.
        alpha: level of the two-sided test.
        wanted: power, above alpha.

    Returns:
        None where a group has fewer than two rows.
    """
    if min(n_one, n_other) < FEWEST_ROWS:
        return None
    low, high = 0.0, 1.0
    while power(high, n_one, n_other, alpha=alpha) < wanted:
        low, high = high, 2 * high
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        if power(middle, n_one, n_other, alpha=alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=4096)
def rows_lacking(
    n_one: int, n_other: int, *, effect: float, alpha: float, wanted: float
) -> tuple[int, int]:
    """How many more rows each group needs to find an effect with the wanted power.

    The smaller group grows as long as that can be enough; where the larger is too small as well,
    both grow to the size at which two equal groups are enough.

    Returns:
        Rows for `n_one` and for `n_other`; both 0 where there are enough.
    """

    def is_enough(one: int, other: int) -> bool:
        return power(effect, one, other, alpha=alpha) >= wanted

    if is_enough(n_one, n_other):
        return 0, 0
    equal = _first(lambda size: is_enough(size, size), FEWEST_ROWS)
    if max(n_one, n_other) < equal:
        return equal - n_one, equal - n_other
    if n_one < n_other:
        return _first(lambda size: is_enough(size, n_other), n_one) - n_one, 0
    return 0, _first(lambda size: is_enough(n_one, size), n_other) - n_other


def _first(is_enough: Callable[[int], bool], start: int) -> int:
    """The smallest size from `start` on that is enough; what is enough stays so as it grows."""
    low, high = start - 1, max(start, 1)
    while not is_enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle
    return high
