"""`StoredRow`: one row of a file as the comparison needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quarry.inference.engine import Scope
from quarry.trajectory.layout import States
from quarry.trajectory.reader import TrajectoryReader


@dataclass(frozen=True)
class StoredRow:
    """What a file says of one sample.

    Args:
        index: its position in the file.
        sample_id: its id.
        states: `(n_states, n_layers, d_model)` float16, the tokens of the scope.
        token_ids: `(n_tokens,)` of prompt and output.
        prompt_length: tokens of the prompt.
        scope: which tokens' states are stored.
        layers: the layer of each column of `states`.
    """

    index: int
    sample_id: str
    states: States
    token_ids: npt.NDArray[np.int32]
    prompt_length: int
    scope: Scope
    layers: tuple[int, ...]

    @classmethod
    def read(cls, reader: TrajectoryReader, index: int) -> StoredRow:
        """Read a row."""
        return cls(
            index,
            reader.sample_ids[index],
            reader.hidden_states(index),
            reader.token_ids(index),
            int(reader.samples.prompt_lengths[index]),
            reader.header.scope,
            reader.header.layers,
        )

    @property
    def start(self) -> int:
        """Position in `token_ids` of the first stored state."""
        return self.prompt_length if self.scope == "output" else 0
