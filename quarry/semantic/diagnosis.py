"""Diagnosis: what the bad states of a row are, column by column.

The causes are tried from the surest to the vaguest; the first that fits is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quarry.semantic.distance import Positions
from quarry.semantic.explanation import Explanation
from quarry.semantic.local_causes import (
    BadStates,
    partly_different,
    repeated,
    rescaled,
    saturated,
    token_only,
    unexplained,
    zeroed,
)
from quarry.semantic.other_places import best_layers, other_layer, other_position
from quarry.semantic.reference import Reference
from quarry.semantic.stored_row import StoredRow
from quarry.semantic.tolerance import Tolerance

_PLAIN = (zeroed, saturated)
_CHANGED = (repeated, token_only, partly_different, rescaled)

FindSample = Callable[[int, BadStates], Explanation | None]
"""Looks for bad states of a layer in other rows."""


def diagnose(
    row: StoredRow,
    reference: Reference,
    bad: dict[int, Positions],
    tolerance: Tolerance,
    find_sample: FindSample,
) -> dict[int, Explanation]:
    """Say of each bad column what its bad states are.

    Args:
        row: the stored row.
        reference: its recomputed states.
        bad: bad positions by column, see `screening`.
        tolerance: what rounding explains.
        find_sample: looks in other rows, which takes passes of the model: asked last, and never
            again after it found nothing.
    """
    own = reference.layers([row.layers[column] for column in sorted(bad)])
    states: dict[int, BadStates] = {}
    found: dict[int, Explanation] = {}
    for column, (_, whole) in zip(sorted(bad), own, strict=True):
        states[column] = here = _bad_states(row, whole, column, bad[column], tolerance)
        explanation = _first(here) or other_position(row, whole, here)
        if explanation:
            found[column] = explanation
    open_columns = {column: here for column, here in states.items() if column not in found}
    if open_columns:
        found |= _by_layer(row, reference, open_columns)
    open_columns = {column: here for column, here in states.items() if column not in found}
    is_elsewhere = True
    for column, here in open_columns.items():
        cause = _changed(here)
        if cause is None and is_elsewhere:
            cause = find_sample(row.layers[column], here)
            is_elsewhere = cause is not None
        found[column] = cause or unexplained(here)
    return _first_layers_explained(row, found)


def _bad_states(
    row: StoredRow,
    whole: np.ndarray[tuple[int, ...], np.dtype[np.float16]],
    column: int,
    positions: Positions,
    tolerance: Tolerance,
) -> BadStates:
    """The bad states of a column beside what they should be."""
    return BadStates(
        positions,
        row.token_ids[row.start + positions].astype(np.intp),
        row.states[positions, column].astype(np.float32),
        whole[row.start + positions].astype(np.float32),
        tolerance,
    )


def _first(bad: BadStates) -> Explanation | None:
    """The first plain cause that fits."""
    return next((found for cause in _PLAIN if (found := cause(bad))), None)


def _by_layer(
    row: StoredRow, reference: Reference, bad: dict[int, BadStates]
) -> dict[int, Explanation]:
    """The columns that hold another layer's states."""
    found: dict[int, Explanation] = {}
    for column, (layer, error) in best_layers(row, reference, bad).items():
        explanation = other_layer(row.layers[column], layer, error, bad[column])
        if explanation:
            found[column] = explanation
    return found


def _changed(bad: BadStates) -> Explanation | None:
    """The first fitting cause that changed the states themselves."""
    return next((found for cause in _CHANGED if (found := cause(bad))), None)


def _first_layers_explained(
    row: StoredRow, found: dict[int, Explanation]
) -> dict[int, Explanation]:
    """A shift of all others towards the input explains the columns that would lie before block 0.

    The engine's contract has no states of the embeddings, which such columns hold.
    """
    shifts = {one.shift for one in found.values() if one.kind == "layer"}
    if len(shifts) != 1:
        return found
    (shift,) = shifts
    return {
        column: Explanation("layer", shift=shift)
        if one.kind in {"unlike", "imprecise", "token_only"} and row.layers[column] + shift < 0
        else one
        for column, one in found.items()
    }
