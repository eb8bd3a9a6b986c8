"""Screening: does a row agree with its recomputed states, and where not.

A state is bad if its error is beyond what rounding explains, or if the recomputed state of a
neighbouring layer or of another position fits it twice as well. The second rule needs no figure of
the model's precision: it finds a shift where layers or positions resemble each other so much that
bfloat16's rounding could hide it. Why a row is bad is found out in `diagnosis`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quarry.semantic.distance import (
    Floats,
    Positions,
    median_error,
    nearest,
    probes,
    relative_errors,
)
from quarry.semantic.reference import Reference
from quarry.semantic.stored_row import StoredRow
from quarry.semantic.tolerance import FINER, FLOOR, Tolerance

_ODD = 4.0
"""Error of a position, in medians of its layer, from which on other positions are tried."""


_MOST = 0.5
"""Share of a layer's states that disagree where the whole layer does."""


@dataclass(frozen=True)
class Screening:
    """How a row compares.

    Args:
        errors: `(n_layers, n_states)` float32, relative error of every stored state.
        bad: by column, the positions that disagree; columns that agree are absent.
    """

    errors: Floats
    bad: dict[int, Positions] = field(default_factory=dict[int, Positions])

    @property
    def is_clean(self) -> bool:
        """Whether every state agrees."""
        return not self.bad

    def is_bad_from_a_layer_on(self, layers: tuple[int, ...]) -> bool:
        """Whether most states of some layer and of all above it disagree, and no others.

        So it is where the weights are others: of all layers, or of the upper ones.
        """
        ascending = sorted(range(len(layers)), key=lambda column: layers[column])
        is_upper = set(ascending[len(ascending) - len(self.bad) :]) == self.bad.keys()
        least = _MOST * self.errors.shape[1]
        return is_upper and all(len(found) >= least for found in self.bad.values())


def screen(row: StoredRow, reference: Reference, tolerance: Tolerance) -> Screening:
    """Compare every stored state of a row with the recomputed one.

    Raises:
        IntegrityError: a recomputed state is not finite, or float16 can't hold it.
    """
    n_states, n_columns = row.states.shape[:2]
    errors = np.empty((n_columns, n_states), np.float32)
    tried = probes(np.arange(n_states, dtype=np.intp))
    others = np.full(n_columns, np.inf)
    odd: dict[int, Positions] = {}
    for layer, whole in reference.layers(_with_neighbours(row.layers, reference.n_layers)):
        window = whole[row.start : row.start + n_states]
        for column, own in enumerate(row.layers):
            states = row.states[:, column]
            if layer == own:
                errors[column] = relative_errors(states, window)
                odd[column] = _elsewhere(states, whole, row.start, errors[column])
                rival = _shifted(states, whole, row.start, tried)
            elif abs(layer - own) == 1:
                rival = median_error(states[tried], window[tried])
            else:
                continue
            others[column] = min(others[column], rival)
    bad = {
        column: positions
        for column in range(n_columns)
        if len(positions := _bad(errors[column], others[column], odd[column], tried, tolerance))
    }
    return Screening(errors, bad)


def _with_neighbours(layers: tuple[int, ...], n_layers: int) -> list[int]:
    """The stored layers, and those right before and after them."""
    near = {layer + step for layer in layers for step in (-1, 0, 1)}
    return sorted(near & set(range(n_layers)))


def _shifted(
    states: npt.NDArray[np.float16],
    whole: npt.NDArray[np.float16],
    start: int,
    tried: Positions,
) -> float:
    """The smaller median error against the states of the token before and of the one after."""
    found = [float("inf")]
    for step in (-1, 1):
        there = tried[(tried + start + step >= 0) & (tried + start + step < len(whole))]
        found.append(median_error(states[there], whole[there + start + step]))
    return min(found)


def _elsewhere(
    states: npt.NDArray[np.float16],
    whole: npt.NDArray[np.float16],
    start: int,
    errors: Floats,
) -> Positions:
    """Positions with an odd error whose state fits another position of the sequence better."""
    odd = np.flatnonzero((errors > FLOOR) & (errors > _ODD * np.median(errors)))
    if not len(odd):
        return odd
    where, apart = nearest(states[odd], whole)
    return odd[(where != odd + start) & (apart < FINER * errors[odd])]


def _bad(
    errors: Floats, other: float, odd: Positions, tried: Positions, tolerance: Tolerance
) -> Positions:
    """The bad positions of one column."""
    middle = float(np.median(errors[tried]))
    if middle > FLOOR and other < FINER * middle:
        return np.flatnonzero(errors > FLOOR)
    limit = tolerance.median if np.median(errors) > tolerance.median else tolerance.worst
    return np.union1d(np.flatnonzero(errors > limit), odd)
