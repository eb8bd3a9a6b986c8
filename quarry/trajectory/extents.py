"""The extents of a file: cut into pieces with a digest each, and compared with them later.

Chunks of activations are extents of their own, hashed while they are written; what lies between
them (texts, lengths, HDF5's own structures) is cut into pieces of 64 KiB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import xxhash
from blake3 import blake3

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.trajectory.digest_table import EXTENT, NO_ROW, Extents
from quarry.trajectory.report import LAYOUT_VALID, RECOLLECT

PIECE_BYTES = 64 << 10
_THREADS = 2

ExtentRow = tuple[int, int, int, int, int, bytes]
"""`(start, size, row, token, xxh3, blake3)` of one extent."""


def make_extents(rows: Sequence[ExtentRow]) -> Extents:
    """Extents of plain tuples, by start."""
    table = np.zeros(len(rows), dtype=EXTENT)
    for name, values in zip(EXTENT.names or (), zip(*rows, strict=True), strict=False):
        if name == "blake3":
            flat = np.frombuffer(b"".join(values), dtype=np.uint8)  # pyright: ignore[reportArgumentType]
            table[name] = flat.reshape(len(rows), -1)
        else:
            table[name] = values
    return table[np.argsort(table["start"], kind="stable")]


def cover_file(path: Path, chunks: Extents) -> Extents:
    """Complete the chunks' extents to a cover of the whole file, by reading what lies between.

    Raises:
        IntegrityError: chunks overlap or reach beyond the file.
    """
    size_bytes = path.stat().st_size
    gaps: list[ExtentRow] = []
    position = 0
    with path.open("rb", buffering=0) as file:
        for start, size in zip(chunks["start"].tolist(), chunks["size"].tolist(), strict=True):
            if start < position or start + size > size_bytes:
                raise _misplaced(path, start, start + size, position, size_bytes)
            gaps += _pieces(file.fileno(), position, start)
            position = start + size
        gaps += _pieces(file.fileno(), position, size_bytes)
    covered = np.concatenate([chunks, make_extents(gaps)]) if gaps else chunks
    return covered[np.argsort(covered["start"], kind="stable")]


def hash_chunks(path: Path, chunks: Sequence[tuple[int, int, int, int]]) -> Extents:
    """Extents of chunks that were not hashed while written: `(start, size, row, token)` each."""
    with path.open("rb", buffering=0) as file:
        return make_extents(
            [
                (start, size, row, token, *digests_of(os.pread(file.fileno(), size, start)))
                for start, size, row, token in chunks
            ]
        )


def digests_of(data: bytes | memoryview) -> tuple[int, bytes]:
    """XXH3 and BLAKE3 of the bytes of an extent."""
    return xxhash.xxh3_64_intdigest(data), blake3(data).digest()


def damaged_extents(path: Path, extents: Extents) -> list[int]:
    """Positions of the extents whose bytes are not what they were, in order.

    Read in order by two threads, so that reading and hashing overlap. Memory: two extents.
    """
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(_THREADS) as pool:
        edges = np.linspace(0, len(extents), _batches(extents) + 1).astype(int).tolist()
        found = pool.map(partial(_damaged, file.fileno(), extents), pairwise(edges))
        return [index for part in found for index in part]


def has_bytes(data: bytes | memoryview, extent: np.void) -> bool:
    """Whether bytes are those of an extent, proven by BLAKE3."""
    return len(data) == int(extent["size"]) and blake3(data).digest() == extent["blake3"].tobytes()


def _batches(extents: Extents) -> int:
    """Into how many tasks the extents are cut: about 16 MiB each."""
    return max(1, int(extents["size"].sum()) >> 24)


def _damaged(descriptor: int, extents: Extents, span: tuple[int, int]) -> list[int]:
    """The damaged ones of the extents `first` to before `last`."""
    first, last = span
    buffer = memoryview(bytearray(int(extents["size"][first:last].max(initial=0))))
    found: list[int] = []
    for index in range(first, last):
        extent = extents[index]
        view = buffer[: int(extent["size"])]
        try:
            count = os.preadv(descriptor, [view], int(extent["start"]))
        except OSError:  # a bad sector: those bytes are lost, the others are not
            count = 0
        if not has_bytes(view[:count], extent):
            found.append(index)
    return found


def _pieces(descriptor: int, start: int, end: int) -> Iterator[ExtentRow]:
    """The extents of what lies between two chunks."""
    for position in range(start, end, PIECE_BYTES):
        size = min(PIECE_BYTES, end - position)
        digests = digests_of(os.pread(descriptor, size, position))
        yield (position, size, NO_ROW, NO_ROW, *digests)


def _misplaced(path: Path, start: int, end: int, expected: int, size_bytes: int) -> IntegrityError:
    """The error for chunks that can't be a file's."""
    found = Finding(
        check=LAYOUT_VALID,
        kind="chunk_overlap",
        what="The chunks of a file overlap or reach beyond its end",
        where=f"{path}, bytes {start}-{end}",
        expected=f"a place of its own from byte {expected} on, within {size_bytes:,} bytes",
        got=f"bytes {start}-{end}",
        cure=RECOLLECT,
    )
    return IntegrityError("A file has no sound chunk map", where=str(path), findings=[found])
