"""Whether the share of correct completions lies within its bounds, as far as the rows can tell.

One rule for the check `class_balance` and for the audit. What a cell with these classes can show
lives in `power`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from quarry.catalog import Thresholds
from quarry.statistics.accuracy import CONFIDENCE, Interval, accuracy, normal_deviate


class BalanceState(StrEnum):
    """Where the share lies."""

    BALANCED = "balanced"
    TOO_FEW = "too_few_correct"
    TOO_MANY = "too_many_correct"
    UNDECIDED = "undecided"
    """Beyond a bound, but with so few rows that the true share may lie within."""


@dataclass(frozen=True)
class Balance:
    """Where the share of correct completions lies.

    Args:
        state: the verdict.
        interval: the share with its interval.
        note: why, in a few words; empty where the share is balanced.
        n_more: graded rows, at this share, that would decide; 0 where it is decided.
    """

    state: BalanceState
    interval: Interval
    note: str = ""
    n_more: int = 0


def judge_balance(n_correct: int, n_graded: int, thresholds: Thresholds) -> Balance | None:
    """Where the share of correct completions lies; a share *on* a bound is within.

    A class without any row is out of balance at once: there is nothing to compare.

    Args:
        n_correct: correct completions.
        n_graded: completions with a verdict on them, so without timeouts and errors.
        thresholds: the bounds, and below how many rows the interval decides.

    Returns:
        None where nothing was graded.
    """
    interval = accuracy(n_correct, n_graded)
    if interval is None:
        return None
    low, high = thresholds.min_correct_rate, thresholds.max_correct_rate
    if n_correct == 0:
        return Balance(BalanceState.TOO_FEW, interval, "none correct")
    if n_correct == n_graded:
        return Balance(BalanceState.TOO_MANY, interval, "all correct")
    if low <= interval.rate <= high:
        return Balance(BalanceState.BALANCED, interval)
    is_under = interval.rate < low
    bound = low if is_under else high
    note = f"{'under' if is_under else 'over'} {bound:.0%} correct"
    is_beyond = interval.high < low if is_under else interval.low > high
    if is_beyond or n_graded >= thresholds.small_sample:
        return Balance(BalanceState.TOO_FEW if is_under else BalanceState.TOO_MANY, interval, note)
    enough = min(_deciding_rows(interval.rate, bound), thresholds.small_sample)
    n_more = max(enough - n_graded, 1)
    return Balance(
        BalanceState.UNDECIDED,
        interval,
        f"{note}, but {n_graded} rows leave {interval.range_text} open; {n_more} more would decide",
        n_more,
    )


def _deciding_rows(rate: float, bound: float) -> int:
    """From how many rows on the interval of this rate stays clear of the bound.

    Wilson's interval holds exactly the shares p that a score test does not refuse, that is
    (rate - p)^2 <= z^2 p (1 - p) / n; solved for n at p = bound.
    """
    z = normal_deviate(CONFIDENCE)
    return math.floor(z * z * bound * (1 - bound) / (rate - bound) ** 2) + 1
