"""What is refused because float16, which a trajectory file holds, can't hold it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quarry.errors import IntegrityError
from quarry.findings import Finding

MAX_FLOAT16 = 65504.0


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
    # The sum of finite float16 numbers is finite in float32, and one pass is all that it costs.
    with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
        is_finite = bool(np.isfinite(states.sum(dtype=np.float32)))
    if is_finite:
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
