"""Where in a file what lies: labels, texts, lengths, HDF5's own structures, and all the rest."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from quarry.trajectory.chunk_map import read_chunk_map

Span = tuple[int, int]
"""`(start, size)` in bytes."""

_HEAP = b"GCOL"


def regions_of(path: Path) -> dict[str, list[Span]]:
    """The parts of a file that are no activations, by name.

    `structures` is whatever else lies between the chunks: superblock, headers, attributes, indexes.
    """
    with h5py.File(path, "r") as file:
        named = {
            "lengths": [_span(file, name) for name in _lengths(file)],
            "labels": [_span(file, "is_correct")] if _holds_labels(file) else [],
            "texts": _heaps(path),
        }
        chunk_map = read_chunk_map(file["trajectories"])
    chunks = list(zip(chunk_map.starts.tolist(), chunk_map.sizes.tolist(), strict=True))
    taken = [span for spans in named.values() for span in spans] + chunks
    named["structures"] = _between(taken, path.stat().st_size)
    return {name: spans for name, spans in named.items() if spans}


def place_in(spans: list[Span], rng: np.random.Generator) -> int:
    """A byte of a region, each as likely as any other."""
    at = int(rng.integers(sum(size for _, size in spans)))
    for start, size in spans:
        if at < size:
            return start + at
        at -= size
    raise AssertionError("a region has as many bytes as its spans")


def _lengths(file: h5py.File) -> list[str]:
    """Names of the columns of lengths that lie in one piece."""
    names = ("sequence_lengths", "samples/prompt_lengths", "samples/output_lengths")
    return [name for name in names if name in file and file[name].id.get_offset() is not None]


def _holds_labels(file: h5py.File) -> bool:
    """Whether labels are stored in the file, not linked."""
    return not isinstance(file.get("is_correct", getlink=True), h5py.ExternalLink)


def _span(file: h5py.File, name: str) -> Span:
    """Where a dataset of one piece lies, in a file without a user block."""
    data = file[name].id
    return data.get_offset(), data.get_storage_size()


def _heaps(path: Path) -> list[Span]:
    """The collections of texts of variable length, whole."""
    raw, spans, at = path.read_bytes(), list[Span](), 0
    while (at := raw.find(_HEAP, at)) >= 0:
        size = int.from_bytes(raw[at + 8 : at + 16], "little")
        if raw[at + 4] == 1 and 0 < size <= len(raw) - at:
            spans.append((at, size))
            at += size
        else:
            at += 1
    return spans


def _between(taken: list[Span], size_bytes: int) -> list[Span]:
    """What no span covers."""
    free, position = list[Span](), 0
    for start, size in sorted(taken):
        if start > position:
            free.append((position, start - position))
        position = max(position, start + size)
    return [*free, (position, size_bytes - position)] if position < size_bytes else free
