"""Reads the hidden states of one sample straight from the file's bytes, and checks them.

The table of digests says where each chunk lies and what it must be, so that HDF5 is passed by: one
read for a sample, and an XXH3 over each chunk while it is in the cache. Proof by BLAKE3 is
verification's business.
"""

from __future__ import annotations

import os

import numpy as np
import xxhash

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.trajectory.digest_table import DigestTable, Extents
from quarry.trajectory.layout import STATE_DTYPE, TRAJECTORIES, States, TrajectoryHeader
from quarry.trajectory.report import CHUNKS_INTACT

_CURE = "run `quarry verify` on the file, then `quarry repair` it or collect the partition again"


class CheckedStates:
    """The activations of one file.

    Args:
        descriptor: of the open file; the caller keeps it open.
        table: the file's digests.
        header: its header.
        where: its name, for messages.
    """

    def __init__(
        self, descriptor: int, table: DigestTable, header: TrajectoryHeader, where: str
    ) -> None:
        self._descriptor = descriptor
        self._table = table
        self._header = header
        self._where = where
        chunks = table.extents[table.extents["row"] >= 0]
        self._chunks: Extents = chunks[np.lexsort((chunks["token"], chunks["row"]))]
        rows = np.arange(len(table.sample_ids) + 1)
        self._edges: list[int] = np.searchsorted(self._chunks["row"], rows).tolist()

    def read(self, row: int, n_tokens: int) -> States:
        """The valid hidden states of one sample: `(n_tokens, n_layers, d_model)` float16.

        Raises:
            IntegrityError: the bytes are not those that were written.
        """
        chunks = self._chunks[self._edges[row] : self._edges[row + 1]]
        starts: list[int] = chunks["start"].tolist()
        size = self._header.token_bytes * self._header.chunk_shape[1]
        data = np.empty(len(starts) * size, dtype=np.uint8)
        view = memoryview(data)  # pyright: ignore[reportArgumentType]  # numpy has no __buffer__ here
        for index, (start, xxh3) in enumerate(zip(starts, chunks["xxh3"].tolist(), strict=True)):
            part = view[index * size : (index + 1) * size]
            count = os.preadv(self._descriptor, [part], start)
            if count != size or xxhash.xxh3_64_intdigest(part) != xxh3:
                raise self._changed(row, index, start, size)
        shape = (-1, self._header.n_layers, self._header.d_model)
        return data.view(STATE_DTYPE).reshape(shape)[:n_tokens]

    def _changed(self, row: int, index: int, start: int, size: int) -> IntegrityError:
        """The error for a chunk that is not what was written."""
        sample_id = self._table.sample_ids[row]
        tokens = self._header.chunk_shape[1]
        first = index * tokens
        place = f"{TRAJECTORIES} row {row}, tokens {first}-{first + tokens - 1}"
        found = Finding(
            check=CHUNKS_INTACT,
            kind="states_changed",
            what="A sample's hidden states are not what was published",
            where=f"{self._where}, {place}, bytes {start}-{start + size}",
            expected="the bytes that the table of digests names",
            got="other bytes",
            cure=_CURE,
            sample_id=sample_id,
        )
        where = f"{self._where}, sample {sample_id}"
        return IntegrityError(
            "Hidden states changed after publication", where=where, findings=[found]
        )
