"""Student's t, central and noncentral: critical values and how often a two-sided test rejects.

Only the distribution; what is compared with what lives in `power`. The platform needs no other
special function, so this is written out instead of bringing in a library of a hundred megabytes;
the tests hold it against figures of SciPy 1.17 and against published tables.
"""

from __future__ import annotations

import math
from functools import lru_cache

_N_STEPS = 300
"""The trapezoid rule converges exponentially here: 300 steps leave less than 1e-12."""
_NEGLIGIBLE = 40.0
"""Densities under e^-40 of the highest one are left out."""
_N_HALVINGS = 60


def rejection_rate(noncentrality: float, degrees: float, alpha: float) -> float:
    """How often a two-sided t test of this level rejects.

    Args:
        noncentrality: expected value of the difference in units of its standard error.
        degrees: degrees of freedom, above 0.
        alpha: level of the test, both sides together.
    """
    critical = critical_value(degrees, alpha)
    above = _exceeding(critical, degrees, noncentrality)
    return min(1.0, above + _exceeding(critical, degrees, -noncentrality))


@lru_cache(maxsize=4096)
def critical_value(degrees: float, alpha: float) -> float:
    """The value that a central t exceeds in size with probability `alpha`, both sides together."""
    low, high = -50.0, 50.0  # of its logarithm
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        if 2 * _exceeding(math.exp(middle), degrees, 0.0) > alpha:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _exceeding(value: float, degrees: float, noncentrality: float) -> float:
    """The probability that a noncentral t lies above a value.

    With Z normal and S the root of an independent chi-square over its degrees of freedom,
    t = (Z + noncentrality) / S, so that P(t > value) is the mean of Phi(noncentrality - value S).
    """
    return math.fsum(
        weight * math.erfc((value * spread - noncentrality) / math.sqrt(2)) / 2
        for spread, weight in _spreads(degrees)
    )


@lru_cache(maxsize=32)
def _spreads(degrees: float) -> tuple[tuple[float, float], ...]:
    """Values of S with weights that sum to 1: equal steps of log S over all that is not negligible.

    The density of x = log S is proportional to exp(degrees (x - (e^2x - 1) / 2)), highest at 0.
    """
    above = math.sqrt(_NEGLIGIBLE / degrees)
    below = math.sqrt(2 * _NEGLIGIBLE / degrees) + _NEGLIGIBLE / degrees
    step = (above + below) / _N_STEPS
    points = [index * step - below for index in range(_N_STEPS + 1)]
    densities = [math.exp(degrees * (x - math.expm1(2 * x) / 2)) for x in points]
    total = math.fsum(densities)
    return tuple(
        (math.exp(x), density / total) for x, density in zip(points, densities, strict=True)
    )
