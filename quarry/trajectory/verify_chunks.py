"""The chunk map's rules: every chunk that valid rows need is stored, inside the file, once.

The map belongs to check `layout_valid`; the size law, which needs the same figures, to
`file_complete`. Runs in the guarded child only.
"""

from __future__ import annotations

import math

import h5py
import numpy as np

from quarry.findings import Finding
from quarry.trajectory.chunk_map import ChunkMap, read_chunk_map
from quarry.trajectory.columns import Lengths, read_lengths
from quarry.trajectory.layout import SEQUENCE_LENGTHS, TRAJECTORIES
from quarry.trajectory.report import FILE_COMPLETE, LAYOUT_VALID, RECOLLECT

_MOST_CHUNKS = 50_000_000
_SMALLEST_STORED_SHARE = 0.5


def check_chunks(file: h5py.File, where: str, size_bytes: int) -> list[Finding]:
    """Examine the chunk map and the size law of a file whose datasets are all there."""
    data: h5py.Dataset = file[TRAJECTORIES]
    max_seq_len = int(data.shape[1])
    lengths = read_lengths(file, SEQUENCE_LENGTHS)
    wrong = np.flatnonzero((lengths < 0) | (lengths > max_seq_len))
    if len(wrong):
        got = f"{lengths[wrong[0]]} in row {wrong[0]}, {len(wrong)} such rows"
        what = "A sequence length is impossible"
        return [_finding("wrong_length", what, where, f"0 to {max_seq_len}", got, SEQUENCE_LENGTHS)]
    n_chunks = math.prod(
        -(-size // step) for size, step in zip(data.shape, data.chunks or data.shape, strict=True)
    )
    if n_chunks > _MOST_CHUNKS:
        what = "The chunks are far too many to be real"
        return [_finding("wrong_shape", what, where, f"up to {_MOST_CHUNKS:,}", f"{n_chunks:,}")]
    chunk_map = read_chunk_map(data)
    return [
        *_missing(chunk_map, lengths, where),
        *_misplaced(chunk_map, where, size_bytes),
        *_size_law(data, chunk_map, lengths, where, size_bytes),
    ]


def _missing(chunk_map: ChunkMap, lengths: Lengths, where: str) -> list[Finding]:
    """Chunks that were never written, by sample (or block of samples in older layouts)."""
    cells = chunk_map.missing(lengths)
    found: list[Finding] = []
    for row in sorted(set(cells[:, 0].tolist())):
        first = row * chunk_map.chunk[0]
        last = min(first + chunk_map.chunk[0], len(lengths)) - 1
        tokens = sorted({int(t) * chunk_map.chunk[1] for t in cells[cells[:, 0] == row, 1]})
        rows = f"row {first}" if first == last else f"rows {first}-{last}"
        found.append(
            _finding(
                "missing_chunk",
                "Activations were never written; they read as zeros",
                where,
                f"every chunk below token {int(lengths[first : last + 1].max())}",
                f"no chunk at tokens {', '.join(map(str, tokens[:5]))}"
                + (", ..." if len(tokens) > 5 else ""),
                f"{TRAJECTORIES} {rows}",
            )
        )
    return found


def _misplaced(chunk_map: ChunkMap, where: str, size_bytes: int) -> list[Finding]:
    """Chunks outside the file or on top of each other."""
    made: list[Finding] = []
    cases = [
        ("chunk_outside", "A chunk lies outside the file", chunk_map.beyond(size_bytes)),
        ("chunk_overlap", "Two chunks overlap", chunk_map.overlapping()),
    ]
    for kind, what, indices in cases:
        for index in indices:
            start, size = int(chunk_map.starts[index]), int(chunk_map.sizes[index])
            cell = tuple(int(position) for position in chunk_map.cells[index])
            expected = f"a place of its own within {size_bytes:,} bytes"
            place = f"{TRAJECTORIES}, chunk {cell}"
            made.append(
                _finding(kind, what, where, expected, f"bytes {start}-{start + size}", place)
            )
    return made


def _size_law(
    data: h5py.Dataset, chunk_map: ChunkMap, lengths: Lengths, where: str, size_bytes: int
) -> list[Finding]:
    """One stored token costs n_layers x d_model x 2 bytes and hardly compresses.

    Real states lose about 4 % to gzip; half is far beyond what compression explains. But samples
    that share a chunk and begin with the same worked examples have the same states there, which a
    filter stores once: of such samples only the longest is counted.
    """
    token_bytes = int(data.shape[2]) * int(data.shape[3]) * data.dtype.itemsize
    n_tokens = int(lengths.sum(dtype=np.int64))
    predicted, stored, share = n_tokens * token_bytes, size_bytes, 1.0
    if data.compression or data.id.get_create_plist().get_nfilters():
        n_blocks, n_rows = chunk_map.grid[0], chunk_map.chunk[0]
        padded = np.zeros(n_blocks * n_rows, dtype=np.int64)
        padded[: len(lengths)] = lengths
        needed = padded.reshape(n_blocks, n_rows).max(axis=1) * token_bytes
        rows = chunk_map.cells[:, 0]
        inside = (rows >= 0) & (rows < n_blocks)
        found = np.bincount(rows[inside], chunk_map.sizes[inside], n_blocks).astype(np.int64)
        scarce = found < _SMALLEST_STORED_SHARE * needed
        predicted, stored = int(needed[scarce].sum()), int(found[scarce].sum())
        share = _SMALLEST_STORED_SHARE
    if stored >= share * predicted:
        return []
    return [
        Finding(
            check=FILE_COMPLETE,
            kind="size_law",
            what="The file is too small for the tokens that it claims to hold",
            where=where,
            expected=f"at least about {predicted:,} bytes of the {n_tokens:,} tokens",
            got=f"{stored:,} bytes ({stored / max(predicted, 1):.0%})",
            cure=RECOLLECT,
        )
    ]


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, place: str = TRAJECTORIES
) -> Finding:
    """A finding of check `layout_valid`."""
    return Finding(LAYOUT_VALID, kind, what, f"{where}, {place}", expected, got, RECOLLECT)
