"""Causes that show by looking elsewhere: in other layers, at other positions, in other samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from quarry.semantic.distance import median_error, nearest, probes
from quarry.semantic.explanation import Explanation
from quarry.semantic.local_causes import BadStates
from quarry.semantic.reference import Reference
from quarry.semantic.stored_row import StoredRow

_MOST = 0.6
N_OTHER_SAMPLES = 8


def best_layers(
    row: StoredRow, reference: Reference, bad: dict[int, BadStates]
) -> dict[int, tuple[int, float]]:
    """For each bad column the layer whose recomputed states fit best, with their median error."""
    best = {column: (row.layers[column], states.error) for column, states in bad.items()}
    for layer, whole in reference.layers(range(reference.n_layers)):
        for column, states in bad.items():
            tried = probes(np.arange(len(states.positions)))
            there = whole[row.start + states.positions[tried]]
            error = median_error(states.states[tried], there)
            if error < best[column][1]:
                best[column] = (layer, error)
    return best


def other_layer(own: int, found: int, error: float, bad: BadStates) -> Explanation | None:
    """States of another layer."""
    if found == own or not bad.is_explained(error):
        return None
    return Explanation("layer", shift=found - own, residual=error)


def other_position(
    row: StoredRow, whole: npt.NDArray[np.float16], bad: BadStates
) -> Explanation | None:
    """States of other positions of the same sequence, all displaced by the same number."""
    tried = probes(np.arange(len(bad.positions)))
    where, errors = nearest(bad.states[tried], whole)
    offsets = where - (row.start + bad.positions[tried])
    offset, count = Counter(int(number) for number in offsets).most_common(1)[0]
    residual = float(np.median(errors[offsets == offset]))
    if not offset or count < _MOST * len(tried) or not bad.is_explained(residual):
        return None
    is_prompt = row.scope == "output" and offset == -row.prompt_length
    detail = "the prompt's instead of the output's" if is_prompt else ""
    return Explanation("position", detail, offset, residual)


def other_samples(lengths: npt.NDArray[np.int32], index: int) -> Iterator[int]:
    """Rows that a row may have been confused with, the likeliest first.

    Only rows with as many states pass the checks of lengths unless their neighbours moved too.
    """
    near = sorted(range(len(lengths)), key=lambda other: (abs(other - index), other))
    same = [other for other in near if lengths[other] == lengths[index]]
    rest = [other for other in near if lengths[other] != lengths[index]]
    ordered = [other for other in (*same, *rest) if other != index]
    yield from ordered[:N_OTHER_SAMPLES]


def other_sample(
    rows: Iterable[StoredRow],
    layer: int,
    bad: BadStates,
    recompute: Callable[[StoredRow], Reference],
) -> Explanation | None:
    """States of another row of the file at the same positions.

    Args:
        rows: the rows to try.
        layer: the layer of the bad states.
        bad: the bad states.
        recompute: the recomputed states of a row.
    """
    for other in rows:
        there = other.start + bad.positions
        is_there = there < len(other.token_ids)
        if is_there.mean() < _MOST:
            continue
        tried = probes(np.flatnonzero(is_there))
        whole = recompute(other).layer(layer)
        residual = median_error(bad.states[tried], whole[there[tried]])
        if bad.is_explained(residual):
            return Explanation("other_sample", other.sample_id, residual=residual)
    return None
