"""Digests of what a file holds and of the file itself. All are BLAKE3, written as hex.

A column's digest runs over its rows, each preceded by its length, so that it depends neither on
chunking nor on how HDF5 packs strings. A sample's digest covers its valid token rows only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from blake3 import blake3

from quarry.trajectory.layout import STATE_DTYPE, States, TrajectoryHeader

HEAD_BYTES = 2048
_BLOCK_BYTES = 4 << 20


class ColumnDigest:
    """The digest of a column, fed row by row."""

    def __init__(self) -> None:
        self._hash = blake3()

    def add(self, row: bytes) -> None:
        """Add the next row's bytes: UTF-8 text or little-endian numbers."""
        self._hash.update(len(row).to_bytes(8, "little"))
        self._hash.update(row)

    def hex(self) -> str:
        """The digest of the rows so far."""
        return self._hash.hexdigest()


def column_digest(rows: Iterable[bytes]) -> str:
    """The digest of a whole column."""
    digest = ColumnDigest()
    for row in rows:
        digest.add(row)
    return digest.hex()


def row_digest(cells: Mapping[str, bytes], states_digest: bytes) -> bytes:
    """The digest of a whole row, 32 bytes: proof of one sample, whatever became of the others.

    Args:
        cells: the row's columns by dataset name, UTF-8 text or little-endian numbers.
        states_digest: digest of its hidden states.
    """
    digest = blake3()
    for name in sorted(cells):
        for part in (name.encode("utf-8"), cells[name]):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    digest.update(states_digest)
    return digest.digest()


class StatesDigest:
    """The digest of one sample's hidden states, fed in slabs of token rows.

    The states are cut into blocks of `block_tokens` rows, each with a digest of its own, and the
    sample's digest is that of the row of block digests. A block is what a chunk holds, so that
    states are hashed once for sample and chunk.

    Args:
        block_tokens: token rows of a block, see `layout.block_tokens`.
    """

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._finished: list[bytes] = []
        self._current = blake3()
        self._filled = 0

    def add(self, states: States) -> None:
        """Add the next token rows, `(n_tokens, n_layers, d_model)` float16."""
        rows = np.ascontiguousarray(states, dtype=STATE_DTYPE)
        while len(rows):
            part = rows[: self._block_tokens - self._filled]
            self._current.update(part.reshape(-1).view(np.uint8).data)
            self._filled += len(part)
            if self._filled == self._block_tokens:
                self._finished.append(self._current.digest())
                self._current, self._filled = blake3(), 0
            rows = rows[len(part) :]

    @property
    def blocks(self) -> list[bytes]:
        """Digests of the blocks so far, 32 bytes each; the last one may be short of rows."""
        return [*self._finished, self._current.digest()] if self._filled else list(self._finished)

    def digest(self) -> bytes:
        """The digest of the rows so far, 32 bytes."""
        return blake3(b"".join(self.blocks)).digest()


def file_digest(path: Path) -> str:
    """The digest of a file's bytes, read in blocks of 4 MiB."""
    digest = blake3()
    buffer = bytearray(_BLOCK_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def head_digest(head: bytes) -> str:
    """The digest of a file's first 2 KiB, which hold an id that no two files share.

    It tells a file from its successor of equal size without reading either.
    """
    return blake3(head[:HEAD_BYTES]).hexdigest()


def content_digest(header: TrajectoryHeader, datasets: Mapping[str, str]) -> str:
    """What a file *says*: its identity and its columns.

    Independent of container bytes, chunking, engine, code version and date, so that a collection
    that gives the same data has the same data version.
    """
    identity = {
        "model": header.model,
        "task": header.task,
        "n_shot": header.n_shot,
        "benchmark": header.benchmark,
        "scope": header.scope,
        "layers": list(header.layers),
        "d_model": header.d_model,
        "datasets": dict(datasets),
    }
    return canonical_digest(identity)


def canonical_digest(value: object) -> str:
    """The digest of plain JSON values: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return blake3(text.encode("utf-8")).hexdigest()
