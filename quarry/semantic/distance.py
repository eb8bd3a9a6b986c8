"""Distances between states: relative errors, medians over probes, the nearest of many."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]

N_PROBES = 64
_TINY = np.float32(1e-30)


def relative_errors(states: npt.NDArray[Any], reference: npt.NDArray[Any]) -> Floats:
    """`|states - reference| / |reference|` of each state: `(n,)` float32, infinite for NaN.

    Args:
        states: `(n, d_model)`.
        reference: `(n, d_model)`.
    """
    right = reference.astype(np.float32)
    apart: Floats = np.linalg.norm(states.astype(np.float32) - right, axis=-1)
    return np.nan_to_num(apart / norms(right), nan=np.inf, posinf=np.inf)


def norms(states: npt.NDArray[Any]) -> Floats:
    """Length of each state, never 0: `(n,)` float32."""
    lengths: Floats = np.linalg.norm(states.astype(np.float32), axis=-1)
    return np.maximum(lengths, _TINY)


def median_error(states: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """The median of `relative_errors`; infinite where there is nothing to compare."""
    return float(np.median(relative_errors(states, reference))) if len(states) else float("inf")


def probes(positions: Positions, limit: int = N_PROBES) -> Positions:
    """At most `limit` of the positions, evenly spread, first and last among them."""
    if len(positions) <= limit:
        return positions
    return positions[np.linspace(0, len(positions) - 1, limit).round().astype(np.intp)]


def nearest(states: npt.NDArray[Any], reference: npt.NDArray[Any]) -> tuple[Positions, Floats]:
    """For each state the position of the nearest reference state, and its relative error.

    Args:
        states: `(n, d_model)`.
        reference: `(n_tokens, d_model)`.

    Returns:
        `(n,)` positions and `(n,)` float32 errors.
    """
    left, right = states.astype(np.float32), reference.astype(np.float32)
    squares = np.square(norms(right))
    apart = np.square(norms(left))[:, None] - 2 * (left @ right.T) + squares[None, :]
    found: Positions = np.argmin(apart / squares[None, :], axis=1)
    return found, relative_errors(left, right[found])
