"""One pass over the hidden states of one sample: what the value rules and the digest need.

The rules themselves, and their words, are in `verify_values`. The writer uses the same scan before
it stores a row, so that a rule exists once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quarry.trajectory.digests import StatesDigest
from quarry.trajectory.layout import STATE_DTYPE, States, block_tokens

HEAD_ROWS = 8
_LEAST_COMPARED = 32
_MAGNITUDE = np.uint16(0x7FFF)
_INFINITY = np.uint16(0x7C00)
_NEGATIVE_FINITE = np.uint16(0xFBFF)
_LEADING = 16


@dataclass
class SampleScan:
    """What is known of one sample's states after its token rows went by, in order.

    Args:
        n_tokens: rows seen.
        non_finite: positions of rows that hold NaN or infinity.
        zero: positions of rows that are zero in all layers.
        zero_layer: positions of rows that are zero in some, but not all, layers.
        head: the first rows, up to 8: `(n_rows, n_layers, d_model)` float16.
        is_constant: whether every row equals the first.
    """

    n_tokens: int = 0
    non_finite: list[int] = field(default_factory=list[int])
    zero: list[int] = field(default_factory=list[int])
    zero_layer: list[int] = field(default_factory=list[int])
    head: list[States] = field(default_factory=list[States])
    is_constant: bool = True
    _digest: StatesDigest | None = None

    def add(self, states: States) -> None:
        """Look at the next token rows.

        Args:
            states: `(n_tokens, n_layers, d_model)` float16, C-contiguous.
        """
        if not len(states):
            return
        # On the bits, not the numbers: numpy has no fast path for float16.
        bits = np.ascontiguousarray(states, dtype=STATE_DTYPE).view(np.uint16)
        if _is_suspicious(bits):
            self._look_closely(bits)
        self._remember_head(states)
        self._compare_with_first(states)
        if self._digest is None:
            self._digest = StatesDigest(block_tokens(states.shape[1], states.shape[2]))
        self._digest.add(states)
        self.n_tokens += len(states)

    @property
    def digest(self) -> str:
        """Digest of the rows so far, as hex."""
        digest = self._digest or StatesDigest(1)
        return digest.digest().hex()

    @property
    def blocks(self) -> list[bytes]:
        """Digests of the blocks of rows so far, see `StatesDigest`."""
        return [] if self._digest is None else self._digest.blocks

    def _look_closely(self, bits: npt.NDArray[np.uint16]) -> None:
        """Note which rows are not finite or zero."""
        peaks = (bits & _MAGNITUDE).max(axis=2)
        self.non_finite += self._positions((peaks >= _INFINITY).any(axis=1))
        is_zero = peaks == 0
        self.zero += self._positions(is_zero.all(axis=1))
        self.zero_layer += self._positions(is_zero.any(axis=1) & ~is_zero.all(axis=1))

    def _positions(self, flags: npt.NDArray[np.bool_]) -> list[int]:
        """Token positions of the flagged rows of the current slab."""
        return [] if not flags.any() else (np.flatnonzero(flags) + self.n_tokens).tolist()

    def _remember_head(self, states: States) -> None:
        """Keep copies of the first rows: the slab's memory is used again."""
        for row in states[: HEAD_ROWS - len(self.head)]:
            self.head.append(row.copy())

    def _compare_with_first(self, states: States) -> None:
        """Note the first row that differs; a tenth of a microsecond once one was found."""
        if self.is_constant:
            first = self.head[0]
            self.is_constant = all(np.array_equal(row, first) for row in states)


def _is_suspicious(bits: npt.NDArray[np.uint16]) -> bool:
    """Whether any number may be NaN or infinite, or any state all zero; false alarms are allowed.

    Two flat maxima (of the bits as unsigned and as signed numbers) answer the first question, the
    first few numbers of each state the second: 14 µs for 512 KiB where a close look takes 40.
    """
    if bits.max() > _NEGATIVE_FINITE or bits.view(np.int16).max() >= _INFINITY:
        return True
    return not (bits[:, :, :_LEADING] & _MAGNITUDE).any(axis=2).all()


def are_alike(left: States, right: States) -> bool:
    """Whether two rows, `(n_layers, d_model)` float16, hold the same state up to rounding.

    Same means that 99 % of the numbers differ by less than 1 % of their size; states of two
    different tokens never come near it, even where a few huge dimensions dominate both.
    """
    if left.size < _LEAST_COMPARED:
        return False
    a, b = left.astype(np.float32), right.astype(np.float32)
    close = np.abs(a - b) <= 0.01 * np.maximum(np.abs(a), np.abs(b))
    return bool(close.mean() > 0.99)


def alike_prefix(left: list[States], right: list[States]) -> int:
    """How many leading rows of two samples are alike."""
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if not are_alike(a, b):
            return position
    return min(len(left), len(right))
