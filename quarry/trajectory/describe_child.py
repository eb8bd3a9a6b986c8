"""The guarded child of `describe`: reads a whole file once and tells what it is.

Run by `describe` through `guarded.run_guarded`; never called in the caller's own process. The one
message is `{"manifest": {...}}` or, where the file can't be read to the end, `{"failure": "..."}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from blake3 import blake3

from quarry.errors import QuarryError
from quarry.trajectory.attributes import parse_header
from quarry.trajectory.chunk_map import read_chunk_map
from quarry.trajectory.columns import Columns, dataset, read_columns
from quarry.trajectory.digest_table import NO_ROW, DigestTable, Extents, digest_array, put_table
from quarry.trajectory.digests import (
    HEAD_BYTES,
    canonical_digest,
    column_digest,
    content_digest,
    file_digest,
    head_digest,
    row_digest,
)
from quarry.trajectory.extents import cover_file, hash_chunks
from quarry.trajectory.layout import FORMAT_VERSION, TRAJECTORIES, TrajectoryHeader
from quarry.trajectory.manifest import LEGACY_FORMAT, Manifest
from quarry.trajectory.sample_scans import scan_samples

_PIECE_BYTES = 1 << 20

Chunk = tuple[int, int, int, int]
"""`(start, size, row, token)`."""


def examine(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Describe one file and write its table of digests.

    Args:
        request: as `describe.describe_file` makes it.
        tell: sends one message to the caller at once.
    """
    path = Path(request["path"])
    try:
        before = _state_of(path)
        with h5py.File(path, "r") as file:
            table, values = _read(file, path, request)
        values |= {"size_bytes": before[0], "blake3": file_digest(path)}
        if _state_of(path) != before:
            tell({"failure": "the file was changed while it was being read"})
            return
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, QuarryError) as error:
        tell({"failure": f"{type(error).__name__}: {error}"[:400]})
        return
    data = table.as_bytes()
    values["digests"] = blake3(data).hexdigest()
    beside = Path(request["beside"])
    put_table(beside, values["digests"], data)
    tell({"manifest": Manifest(file=beside.name, **values).as_dict()})


def _read(
    file: h5py.File, path: Path, request: Mapping[str, Any]
) -> tuple[DigestTable, dict[str, Any]]:
    """The table, and all of the manifest that does not need the whole file's bytes."""
    header = _header(file, str(path))
    columns = read_columns(file)
    states = [bytes.fromhex(s.digest) for _, s in scan_samples(file, columns.sequence_lengths)]
    ids = _sample_ids(columns, request["sample_ids"])
    rows = [row_digest(columns.cells_of(index), digest) for index, digest in enumerate(states)]
    data = dataset(file, TRAJECTORIES)
    extents = _extents(path, data)
    datasets = {name: column_digest(cells) for name, cells in columns.rows.items()}
    datasets[TRAJECTORIES] = column_digest(states)
    with path.open("rb") as raw:
        head = raw.read(HEAD_BYTES)
    values: dict[str, Any] = {
        "format_version": FORMAT_VERSION if header else LEGACY_FORMAT,
        "head_digest": head_digest(head),
        "content_digest": content_digest(header, datasets)
        if header
        else _legacy_content(file, data, datasets, request["cell"]),
        "chunk": tuple(int(size) for size in data.chunks or data.shape),
        "n_samples": columns.n_samples,
        "datasets": datasets,
        "rules_version": request["rules_version"],
        "origin": request["origin"],
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return DigestTable(extents, ids, digest_array(states), digest_array(rows)), values


def _header(file: h5py.File, where: str) -> TrajectoryHeader | None:
    """The header; None for a file of an older pipeline, which has none."""
    attributes = dict(file.attrs)
    return parse_header(attributes, where) if "format_version" in attributes else None


def _sample_ids(columns: Columns, given: Mapping[str, str]) -> tuple[str, ...]:
    """Stored ids, else those that the caller found out, else the row's number."""
    if columns.samples is not None:
        return tuple(columns.samples.ids)
    return tuple(given.get(str(row), f"row/{row}") for row in range(columns.n_samples))


def _extents(path: Path, data: h5py.Dataset) -> Extents:
    """Digests of every byte of the file, by chunk where the chunk map is sound."""
    chunk_map = read_chunk_map(data)
    size_bytes = path.stat().st_size
    is_sound = not len(chunk_map.beyond(size_bytes)) and not len(chunk_map.overlapping())
    chunks: Sequence[Chunk] = []
    if data.chunks is None:
        pairs = zip(chunk_map.starts.tolist(), chunk_map.sizes.tolist(), strict=True)
        chunks = [piece for start, size in pairs for piece in _pieces(start, start + size)]
    else:
        corners = chunk_map.cells[:, :2] * np.asarray(chunk_map.chunk[:2])
        places = np.column_stack([chunk_map.starts, chunk_map.sizes, corners])
        chunks = [(row[0], row[1], row[2], row[3]) for row in places.tolist() if row[1] > 0]
    return cover_file(path, hash_chunks(path, chunks if is_sound else []))


def _pieces(start: int, end: int) -> list[Chunk]:
    """A contiguous dataset in pieces of 1 MiB; they belong to no row alone."""
    return [
        (position, min(_PIECE_BYTES, end - position), NO_ROW, NO_ROW)
        for position in range(start, end, _PIECE_BYTES)
    ]


def _legacy_content(
    file: h5py.File,
    data: h5py.Dataset,
    datasets: Mapping[str, str],
    cell: Mapping[str, Any] | None,
) -> str:
    """What an older file says: the cell that it was taken for, its layers, and its columns.

    Ids that were found out later are left out, so that finding more of them changes nothing.
    """
    layers = file.attrs.get("layers")
    identity = {
        "cell": dict(cell) if cell else None,
        "scope": None,
        "layers": np.asarray(layers).ravel().tolist() if layers is not None else None,
        "shape": [int(size) for size in data.shape[2:]],
        "datasets": dict(datasets),
    }
    return canonical_digest(identity)


def _state_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
