"""Causes that show in the bad states themselves and their own recomputed ones, without others.

Each function answers with an `Explanation`, or None where it does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quarry.semantic.distance import Floats, Positions, median_error, norms
from quarry.semantic.explanation import Explanation
from quarry.semantic.tolerance import FINER, Tolerance
from quarry.trajectory.verify_values import spans

_MOST = 0.8
_NEXT_TO_ZERO = 1e-3
_LEAST_DIMENSIONS = 2
_MAX_FLOAT16 = 65504.0
_LEAST_FITTED = 8
_UNLIKE = 0.5
"""Median error from which on states do not even resemble what they should be."""


@dataclass(frozen=True)
class BadStates:
    """The bad states of one column beside what they should be.

    Args:
        positions: `(n,)` their positions among the row's stored states, ascending.
        tokens: `(n,)` ids of their tokens.
        states: `(n, d_model)` float32, as stored.
        reference: `(n, d_model)` float32, recomputed.
        tolerance: what rounding explains.
    """

    positions: Positions
    tokens: Positions
    states: Floats
    reference: Floats
    tolerance: Tolerance

    @property
    def error(self) -> float:
        """Median relative error as stored."""
        return median_error(self.states, self.reference)

    def is_explained(self, residual: float) -> bool:
        """Whether a cause leaves little enough: no more than rounding, and half of what was."""
        return residual <= self.tolerance.worst and residual < FINER * self.error


def zeroed(bad: BadStates) -> Explanation | None:
    """States that are zero or next to it, or of which the same dimensions are zero."""
    if (norms(bad.states) < _NEXT_TO_ZERO * norms(bad.reference)).mean() >= _MOST:
        return Explanation("zeroed")
    is_zero = np.asarray(~bad.states.any(axis=0) & bad.reference.any(axis=0))
    if is_zero.sum() < _LEAST_DIMENSIONS or not _fits_apart_from(bad, is_zero):
        return None
    return Explanation("zeroed_part", f"dimensions {spans(np.flatnonzero(is_zero).tolist())}")


def partly_different(bad: BadStates) -> Explanation | None:
    """States of which the same dimensions differ while the others agree."""
    apart = np.linalg.norm(bad.states - bad.reference, axis=0)
    differs = apart > 3 * bad.tolerance.median * norms(bad.reference.T)
    if not _LEAST_DIMENSIONS <= differs.sum() <= 0.75 * differs.size:
        return None
    if not _fits_apart_from(bad, differs):
        return None
    return Explanation("part_differs", f"dimensions {spans(np.flatnonzero(differs).tolist())}")


def _fits_apart_from(bad: BadStates, left_out: npt.NDArray[np.bool_]) -> bool:
    """Whether the other dimensions agree."""
    kept = ~left_out
    rest = median_error(bad.states[:, kept], bad.reference[:, kept])
    return bool(kept.any()) and rest <= bad.tolerance.median


def saturated(bad: BadStates) -> Explanation | None:
    """States with numbers cut at the largest that float16 holds."""
    is_cut = np.abs(bad.states) >= _MAX_FLOAT16
    if not is_cut.any(axis=1).mean() >= _MOST:
        return None
    return Explanation("saturated", f"{int(is_cut.sum())} numbers at ±{_MAX_FLOAT16:g}")


def repeated(bad: BadStates) -> Explanation | None:
    """States that are copies of the one before though their tokens differ: a stale buffer."""
    if len(bad.states) < 3:
        return None
    is_copy = (bad.states[1:] == bad.states[:-1]).all(axis=1)
    is_new = bad.tokens[1:] != bad.tokens[:-1]
    if not is_new.any() or is_copy[is_new].mean() < _MOST:
        return None
    return Explanation("repeated")


def token_only(bad: BadStates) -> Explanation | None:
    """States that depend on their token and not on what came before it: the embeddings."""
    _, first, inverse = np.unique(bad.tokens, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(inverse)))
    if len(again) < 2 or len(first) < 2:
        return None
    twins = first[inverse[again]]
    usual = median_error(bad.reference[again], bad.reference[twins])
    residual = median_error(bad.states[again], bad.states[twins])
    if residual > min(bad.tolerance.median, FINER * usual):
        return None
    return Explanation("token_only", residual=residual)


def rescaled(bad: BadStates) -> Explanation | None:
    """States times one factor, or after a norm, whichever leaves less."""
    found = [cause for cause in (_scaled(bad), _normed(bad)) if cause]
    return min(found, key=lambda cause: cause.residual, default=None)


def _scaled(bad: BadStates) -> Explanation | None:
    """States times one factor."""
    factor = float(np.median(np.einsum("nd,nd->n", bad.states, bad.reference)))
    factor /= float(np.median(np.square(norms(bad.reference))))
    residual = median_error(bad.states, factor * bad.reference) / max(abs(factor), 1e-6)
    if not bad.is_explained(residual):
        return None
    return Explanation("scaled", f"factor {factor:.2g}", residual=residual)


def _normed(bad: BadStates) -> Explanation | None:
    """States after a normalisation layer, such as the final norm.

    Weights and biases are fitted on every second state and tried on the others.
    """
    if len(bad.states) < _LEAST_FITTED:
        return None
    found: list[tuple[float, str]] = []
    for name, is_centred in (("root-mean-square norm", False), ("layer norm", True)):
        inputs = bad.reference
        if is_centred:
            inputs = inputs - inputs.mean(axis=1, keepdims=True)
        inputs = inputs / np.sqrt(np.square(inputs).mean(axis=1, keepdims=True) + 1e-12)
        found.append((_fitted(inputs, bad.states, has_bias=is_centred), name))
    residual, name = min(found)
    if not bad.is_explained(residual):
        return None
    return Explanation("normed", name, residual=residual)


def _fitted(inputs: Floats, outputs: Floats, *, has_bias: bool) -> float:
    """Median error of `weight * inputs + bias`, fitted on every second state, on the others."""
    x, y = inputs[::2], outputs[::2]
    at_x = x.mean(axis=0) if has_bias else np.zeros_like(x[0])
    at_y = y.mean(axis=0) if has_bias else np.zeros_like(y[0])
    spread = np.square(x - at_x).sum(axis=0) + 1e-12
    weight = ((x - at_x) * (y - at_y)).sum(axis=0) / spread
    guess = weight * (inputs[1::2] - at_x) + at_y
    apart = np.linalg.norm(guess - outputs[1::2], axis=1)
    return float(np.median(apart / norms(outputs[1::2])))


def unexplained(bad: BadStates) -> Explanation:
    """How much differs, where nothing says why."""
    error = bad.error
    return Explanation("imprecise" if error < _UNLIKE else "unlike", residual=error)
