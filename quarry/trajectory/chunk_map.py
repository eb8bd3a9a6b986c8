"""The chunk map of `trajectories`: where each chunk lies, and which ones the valid rows need.

Only HDF5's index is read, no data: 32,000 chunks in about 0.1 s. A chunk that is not there reads as
zeros without any error, so only this map shows a row that was never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from quarry.trajectory.columns import Lengths


@dataclass(frozen=True)
class ChunkMap:
    """Where the stored chunks of a dataset lie.

    Args:
        grid: number of chunks along each axis.
        chunk: shape of a chunk.
        cells: `(n_chunks, 4)` int64, position of each stored chunk in the grid.
        starts: `(n_chunks,)` int64, byte offset in the file.
        sizes: `(n_chunks,)` int64, bytes in the file, after any filter.
    """

    grid: tuple[int, ...]
    chunk: tuple[int, ...]
    cells: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def missing(self, lengths: Lengths) -> npt.NDArray[np.int64]:
        """Grid positions of the chunks that valid rows need and that are not stored.

        Args:
            lengths: `(n_samples,)` int32, valid token rows of each sample.

        Returns:
            `(n_missing, 4)` int64.
        """
        is_stored = np.zeros(self.grid, dtype=bool)
        is_inside = ((self.cells >= 0) & (self.cells < np.asarray(self.grid))).all(axis=1)
        is_stored[tuple(self.cells[(self.sizes > 0) & is_inside].T)] = True
        return np.argwhere(self.needed(lengths)[:, :, None, None] & ~is_stored)

    def needed(self, lengths: Lengths) -> npt.NDArray[np.bool_]:
        """Which (sample, token) chunks hold valid rows: `(grid[0], grid[1])` bool."""
        padded = np.zeros(self.grid[0] * self.chunk[0], dtype=np.int64)
        padded[: len(lengths)] = lengths
        longest = padded.reshape(self.grid[0], self.chunk[0]).max(axis=1)
        return np.arange(self.grid[1]) * self.chunk[1] < longest[:, None]

    def beyond(self, size_bytes: int) -> npt.NDArray[np.int64]:
        """Indices of the chunks that do not lie inside the file."""
        return np.flatnonzero((self.starts < 0) | (self.starts + self.sizes > size_bytes))

    def overlapping(self) -> npt.NDArray[np.int64]:
        """Indices of the chunks that begin before the one in front of them ends."""
        order = np.argsort(self.starts, kind="stable")
        ends = np.maximum.accumulate((self.starts + self.sizes)[order])
        return order[1:][self.starts[order][1:] < ends[:-1]]

    def extents_of(self, sample: int) -> list[tuple[int, int]]:
        """Byte ranges `(start, end)` in which a sample's states lie, neighbours joined."""
        mine = np.flatnonzero(self.cells[:, 0] == sample // self.chunk[0])
        joined: list[tuple[int, int]] = []
        for index in mine[np.argsort(self.starts[mine])]:
            start, end = int(self.starts[index]), int(self.starts[index] + self.sizes[index])
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        return joined


def read_chunk_map(data: h5py.Dataset) -> ChunkMap:
    """Read the chunk map; a contiguous dataset counts as one chunk, or none if never written."""
    shape = tuple(int(size) for size in data.shape)
    if data.chunks is None:
        start = data.id.get_offset()
        stored = [] if start is None else [(int(start), int(data.id.get_storage_size()))]
        cells = np.zeros((len(stored), len(shape)), dtype=np.int64)
        return _chunk_map((1,) * len(shape), shape, cells, stored)
    chunk = tuple(int(size) for size in data.chunks)
    offsets: list[tuple[int, ...]] = []
    stored: list[tuple[int, int]] = []

    def note(info: Any) -> None:
        """Called by HDF5 once per stored chunk; asking for chunks one by one costs 1-3 ms each."""
        offsets.append(info.chunk_offset)
        stored.append((info.byte_offset if info.byte_offset is not None else -1, info.size))

    data.id.chunk_iter(note)
    grid = tuple(-(-size // step) for size, step in zip(shape, chunk, strict=True))
    cells = np.asarray(offsets, dtype=np.int64).reshape(-1, len(shape)) // np.asarray(chunk)
    return _chunk_map(grid, chunk, cells, stored)


def _chunk_map(
    grid: tuple[int, ...],
    chunk: tuple[int, ...],
    cells: npt.NDArray[np.int64],
    stored: list[tuple[int, int]],
) -> ChunkMap:
    """The map of the stored `(start, size)` pairs."""
    table = np.asarray(stored, dtype=np.int64).reshape(-1, 2)
    return ChunkMap(grid, chunk, cells, table[:, 0], table[:, 1])
