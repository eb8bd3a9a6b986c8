"""What is refused because float16, which a trajectory file holds, can't hold it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quarry.errors import IntegrityError
from quarry.findings import Finding

MAX_FLOAT16 = 65504.0
_MAGNITUDE, _INFINITY = np.uint16(0x7FFF), np.uint16(0x7C00)
_BLOCK_TOKENS = 8
"""Blocks that stay in the processor's cache from one step to the next."""


def require_storable(
    states: npt.NDArray[np.float16], sample_id: str, first_token: int, layers: Sequence[int]
) -> None:
    """Refuse states that are not finite, naming the first place.

    Args:
        states: `(n_tokens, n_layers, d_model)` float16; what was too large for it is infinite.
        sample_id: the sample, for the message.
        first_token: position of the first token in its sequence.
        layers: the layers by column.

    Raises:
        IntegrityError: a state is not finite.
    """
    blocks = range(0, len(states), _BLOCK_TOKENS)
    if all(_are_finite(states[start : start + _BLOCK_TOKENS]) for start in blocks):
        return
    is_bad: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(states).all(axis=-1))
    column = int(is_bad.any(axis=0).argmax())
    position = int(is_bad[:, column].argmax())
    is_nan = bool(np.isnan(states[position, column]).any())
    raise not_storable(
        sample_id,
        layer=layers[column],
        token=first_token + position,
        is_overflow=not is_nan,
        got=f"{'nan' if is_nan else 'inf'}, and {int(is_bad[:, column].sum())} of {len(states)} "
        "tokens like it",
    )


def _are_finite(states: npt.NDArray[np.float16]) -> bool:
    """As `np.isfinite(...).all()`, five times as fast: numpy has no vector code for float16."""
    bits = states.view(np.uint16) & _MAGNITUDE
    return bool((bits < _INFINITY).all())


def not_storable(
    sample_id: str, *, layer: int, token: int, is_overflow: bool, got: str
) -> IntegrityError:
    """The error for a state that float16 can't hold."""
    finding = Finding(
        check="activations_sane",
        kind="float16_overflow" if is_overflow else "not_finite",
        what=f"A hidden state of layer {layer} can't be stored as float16",
        where=f"sample {sample_id}, token {token}, layer {layer}",
        expected=f"finite values up to {MAX_FLOAT16:g}",
        got=got,
        cure="check the model's weights and dtype, or leave this layer out of capture.layers",
        sample_id=sample_id,
    )
    return IntegrityError(
        "Hidden states can't be stored", findings=[finding], where=f"sample {sample_id}"
    )
