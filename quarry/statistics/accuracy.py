"""The accuracy of a set of graded completions, with the interval that its size allows.

Only shares of one set; whether a share is balanced lives in `balance`, comparisons in `power`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from quarry.errors import UsageError

CONFIDENCE = 0.95
"""The customary level; an interval of this level misses the true share about once in 20 times."""


@dataclass(frozen=True)
class Interval:
    """A share with its confidence interval.

    Args:
        n_correct: completions that are correct.
        n: completions that were judged.
        low: lower end, 0 .. 1.
        high: upper end, 0 .. 1.
        confidence: level of the interval, such as 0.95.
    """

    n_correct: int
    n: int
    low: float
    high: float
    confidence: float = CONFIDENCE

    @property
    def rate(self) -> float:
        """The share that was seen, 0 .. 1; always within the interval."""
        return self.n_correct / self.n

    @property
    def range_text(self) -> str:
        """Both ends for a person: `10.0-15.8%`."""
        return f"{self.low * 100:.1f}-{self.high:.1%}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "n_correct": self.n_correct,
            "n": self.n,
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
        }


def accuracy(n_correct: int, n: int, *, confidence: float = CONFIDENCE) -> Interval | None:
    """The share of correct completions with its Wilson score interval.

    The completions are taken to be independent, one a benchmark item: the interval speaks of items
    like these, not of other prompts or another seed. Unlike the textbook's rate +- z * standard
    error, Wilson's stays inside 0 .. 1, has a length at 0 and at n, and covers the truth about as
    often as it says at every n; Clopper and Pearson's never covers less, but is much wider.

    Args:
        n_correct: completions that are correct.
        n: completions that were judged; what the grader could not judge does not belong here.
        confidence: level of the interval, between 0 and 1.

    Returns:
        None where `n` is 0: of nothing there is no share.

    Raises:
        UsageError: the counts contradict each other, or the level is no probability.

    Source:
        E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference,
        JASA 22, 209-212. Recommended for small n by L. D. Brown, T. T. Cai and A. DasGupta (2001),
        Interval estimation for a binomial proportion, Statistical Science 16, 101-133.
    """
    if not 0 <= n_correct <= n or not 0.0 < confidence < 1.0:
        raise UsageError(
            "There is no such share",
            expected="0 <= n_correct <= n and 0 < confidence < 1",
            got=f"n_correct {n_correct}, n {n}, confidence {confidence}",
            fix="pass the counts of one set of completions",
        )
    if n == 0:
        return None
    z = normal_deviate(confidence)
    rate = n_correct / n
    centre = rate + z * z / (2 * n)
    reach = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # at the ends the bound is the rate itself, which rounding would miss by the last bit
    low = 0.0 if n_correct == 0 else max(0.0, (centre - reach) / scale)
    high = 1.0 if n_correct == n else min(1.0, (centre + reach) / scale)
    return Interval(n_correct, n, low, high, confidence)


def normal_deviate(confidence: float) -> float:
    """How many standard deviations hold this share of a normal distribution, both sides."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
