"""Numbers about a trajectory file for plots and asset metadata; drawing is elsewhere.

Reads sample by sample; memory is bounded by one sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quarry.trajectory.layout import States
from quarry.trajectory.reader import TrajectoryReader

N_DECILES = 10


@dataclass(frozen=True)
class TrajectorySummary:
    """What a file holds, in numbers.

    Args:
        layers: captured decoder blocks.
        sequence_lengths: `(n_samples,)` int32, stored token rows.
        prompt_lengths: `(n_samples,)` int32, tokens.
        output_lengths: `(n_samples,)` int32, tokens.
        norms: `(10, n_layers)` float64, mean L2 norm of the hidden states in each tenth of a
            sample and in each layer; NaN where no sample has a token (samples under 10 tokens).
        norm_counts: `(10,)` int64, tokens in each tenth.
        size_bytes: size of the file.
        state_bytes: size of the valid hidden states.
        n_capped: samples whose output ended at the token limit.
    """

    layers: tuple[int, ...]
    sequence_lengths: npt.NDArray[np.int32]
    prompt_lengths: npt.NDArray[np.int32]
    output_lengths: npt.NDArray[np.int32]
    norms: npt.NDArray[np.float64]
    norm_counts: npt.NDArray[np.int64]
    size_bytes: int
    state_bytes: int
    n_capped: int

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.sequence_lengths)

    @property
    def n_tokens(self) -> int:
        """Stored token rows in all."""
        return int(self.sequence_lengths.sum(dtype=np.int64))

    @property
    def tokens_per_sample(self) -> float:
        """Mean number of stored token rows."""
        return self.n_tokens / self.n_samples

    @property
    def norm_by_layer(self) -> npt.NDArray[np.float64]:
        """Mean L2 norm of all tokens in each layer: `(n_layers,)` float64."""
        weights = self.norm_counts[:, None]
        return np.nansum(self.norms * weights, axis=0) / weights.sum()

    @property
    def norm_by_decile(self) -> npt.NDArray[np.float64]:
        """Mean L2 norm over all layers in each tenth of a sample: `(10,)` float64."""
        return self.norms.mean(axis=1)


def summarise(path: Path) -> TrajectorySummary:
    """Read a file and summarise it.

    Raises:
        FileMissingError: there is no file.
        TrajectoryFormatError: it has another layout.
    """
    with TrajectoryReader(path) as reader:
        header = reader.header
        sums = np.zeros((N_DECILES, header.n_layers))
        counts = np.zeros(N_DECILES, dtype=np.int64)
        for index in range(reader.n_samples):
            norms = state_norms(reader.hidden_states(index))
            deciles = np.arange(len(norms)) * N_DECILES // max(len(norms), 1)
            np.add.at(sums, deciles, norms)
            counts += np.bincount(deciles, minlength=N_DECILES)
        with np.errstate(invalid="ignore"):
            means = sums / counts[:, None]
        return TrajectorySummary(
            layers=header.layers,
            sequence_lengths=reader.sequence_lengths,
            prompt_lengths=reader.samples.prompt_lengths,
            output_lengths=reader.samples.output_lengths,
            norms=means,
            norm_counts=counts,
            size_bytes=path.stat().st_size,
            state_bytes=int(reader.sequence_lengths.sum(dtype=np.int64)) * header.token_bytes,
            n_capped=reader.samples.finish_reasons.count("length"),
        )


def state_norms(states: States) -> npt.NDArray[np.float64]:
    """L2 norm of each token's state in each layer.

    Args:
        states: `(n_tokens, n_layers, d_model)` float16.

    Returns:
        `(n_tokens, n_layers)` float64, summed in float32: float16 would overflow.
    """
    wide = states.astype(np.float32)
    return np.sqrt(np.einsum("tld,tld->tl", wide, wide)).astype(np.float64)
