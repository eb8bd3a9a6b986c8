"""`Reference`: the recomputed states of one row's tokens, a few layers at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from quarry.errors import UnknownNameError
from quarry.inference.engine import InferenceEngine
from quarry.trajectory.layout import STATE_DTYPE, States

_GROUP_BYTES = 1 << 30


class Reference:
    """States of one token sequence, recomputed.

    Memory is bounded: layers that together need more than 1 GiB come from several passes.

    Args:
        engine: the model.
        token_ids: `(n_tokens,)` the whole sequence, prompt first.
    """

    def __init__(self, engine: InferenceEngine, token_ids: npt.NDArray[np.integer]) -> None:
        self._engine = engine
        self._token_ids: list[int] = [int(token) for token in token_ids]

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self._token_ids)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks of the model."""
        return self._engine.n_layers

    def layers(self, wanted: Sequence[int]) -> Iterator[tuple[int, npt.NDArray[np.float16]]]:
        """Yield each layer with its states, `(n_tokens, d_model)` float16.

        Raises:
            IntegrityError: a state is not finite, or float16 can't hold it.
            EngineMemoryError: the sequence does not fit the device.
            UnknownNameError: the model's vocabulary lacks a token.
        """
        layer_bytes = len(self) * self._engine.d_model * STATE_DTYPE.itemsize
        size = max(1, _GROUP_BYTES // layer_bytes)
        for first in range(0, len(wanted), size):
            group = wanted[first : first + size]
            states = self._pass(group)
            for column, layer in enumerate(group):
                yield layer, states[:, column]

    def _pass(self, layers: Sequence[int]) -> States:
        """One pass of the model."""
        try:
            return next(iter(self._engine.states([self._token_ids], layers)))
        except IndexError as error:
            raise UnknownNameError(
                "The model does not know a token of the file",
                where=f"token ids up to {max(self._token_ids)}",
                expected="the model that the file was made with",
                got=str(error),
                fix="name the model that the file says",
            ) from error

    def layer(self, wanted: int) -> npt.NDArray[np.float16]:
        """The states of one layer, `(n_tokens, d_model)` float16."""
        return next(self.layers([wanted]))[1]
