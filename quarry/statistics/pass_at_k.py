"""pass@k: how likely one of k answers to a task is correct, from n answers to each.

Shares of answers that stand alone lie in `accuracy`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from quarry.errors import UsageError
from quarry.statistics.accuracy import CONFIDENCE, normal_deviate


@dataclass(frozen=True)
class PassAtK:
    """pass@k over tasks.

    Args:
        k: answers that may be tried.
        rate: the mean over tasks, 0 .. 1.
        n_tasks: how many there are.
        low: lower end of its confidence interval; None where the tasks are too few or too alike.
        high: upper end.
    """

    k: int
    rate: float
    n_tasks: int
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "k": self.k,
            "rate": self.rate,
            "n_tasks": self.n_tasks,
            "low": self.low,
            "high": self.high,
        }


def pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> PassAtK | None:
    """The mean over tasks of the unbiased estimator 1 - C(n - c, k) / C(n, k).

    Answers to one task depend on each other, so that the interval takes a task as the unit:
    the mean over tasks with its standard error.

    Args:
        counts: (answers, correct answers) of each task.
        k: answers that may be tried.

    Returns:
        None where there is no task, or one with fewer than k answers.

    Raises:
        UsageError: k is less than 1, or a task has more correct answers than answers.

    Source:
        M. Chen et al. (2021), Evaluating large language models trained on code,
        arXiv:2107.03374, section 2.1. Tasks as units: E. Miller (2024), Adding error bars to
        evals, arXiv:2411.00640.
    """
    if k < 1 or any(not 0 <= n_correct <= n for n, n_correct in counts):
        raise UsageError(
            "There is no such pass@k",
            expected="k >= 1 and 0 <= correct answers <= answers",
            got=f"k {k}, {len(counts)} tasks",
            fix="pass the counts of each task",
        )
    if not counts or any(n < k for n, _ in counts):
        return None
    rates = [1 - math.comb(n - n_correct, k) / math.comb(n, k) for n, n_correct in counts]
    rate = mean(rates)
    spread = stdev(rates) if len(rates) > 1 else 0.0
    if spread == 0.0:
        return PassAtK(k, rate, len(rates), None, None)
    reach = normal_deviate(CONFIDENCE) * spread / math.sqrt(len(rates))
    return PassAtK(k, rate, len(rates), max(0.0, rate - reach), min(1.0, rate + reach))
