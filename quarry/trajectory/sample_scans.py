"""Reads all hidden states of a file once, in slabs, and scans each sample.

The order of reading follows the chunks: in the older layout a chunk belongs to 32 samples, and
sample by sample each would be decompressed 32 times. Memory is bounded by one slab.
"""

from __future__ import annotations

from collections.abc import Iterator

import h5py

from quarry.trajectory.columns import Lengths
from quarry.trajectory.layout import TRAJECTORIES
from quarry.trajectory.scan import SampleScan

_SLAB_BYTES = 16 << 20


def scan_samples(file: h5py.Group, lengths: Lengths) -> Iterator[tuple[int, SampleScan]]:
    """Yield `(row, scan)` of every row in order.

    Args:
        file: an open trajectory file.
        lengths: `(n_samples,)` int32, valid token rows of each sample.
    """
    data: h5py.Dataset = file[TRAJECTORIES]
    chunk: tuple[int, ...] = data.chunks or (1, 1)
    token_bytes = int(data.shape[2]) * int(data.shape[3]) * data.dtype.itemsize
    step = max(1, _SLAB_BYTES // (chunk[0] * chunk[1] * token_bytes)) * chunk[1]
    for first in range(0, len(lengths), chunk[0]):
        last = min(first + chunk[0], len(lengths))
        yield from enumerate(_scan_block(data, lengths, first, last, step), start=first)


def _scan_block(
    data: h5py.Dataset, lengths: Lengths, first: int, last: int, step: int
) -> list[SampleScan]:
    """Scan the samples that share chunks, `step` tokens at a time."""
    scans = [SampleScan() for _ in range(first, last)]
    for start in range(0, int(lengths[first:last].max()), step):
        slab = data[first:last, start : start + step]
        for row, scan in enumerate(scans):
            scan.add(slab[row, : max(0, int(lengths[first + row]) - start)])
    return scans
