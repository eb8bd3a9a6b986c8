"""Check `chunks_intact`: the file is byte for byte what was published, or where it is not.

The digests of all extents decide, and say where; the digests of columns and samples, which are
compared when values are examined, say what reads otherwise than it was given.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from blake3 import blake3

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.trajectory.columns import Columns
from quarry.trajectory.digest_table import NO_ROW, DigestTable, Extents, read_table
from quarry.trajectory.digests import column_digest, content_digest, file_digest
from quarry.trajectory.layout import TRAJECTORIES, TrajectoryHeader
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import CHUNKS_INTACT, MEND

_RANGES_SHOWN = 3


def load_table(path: Path, manifest: Manifest) -> tuple[DigestTable | None, list[Finding]]:
    """The table of digests, or the findings of a file that lost it.

    Without it the whole file's digest still says whether the file is intact, only not where it is
    not.
    """
    try:
        return read_table(path, manifest.digests), []
    except FileMissingError as error:
        place, expected = f"{error.where}", f"{error.expected}"
        lost = _finding("digests_missing", error.what, place, expected, "no file")
    except IntegrityError as error:
        lost = error.findings[0]
    got = file_digest(path)
    if got == manifest.blake3:
        return None, [replace(lost, severity="warning")]
    what = "The file's bytes changed after publication"
    changed = _finding("bytes_changed", what, str(path), f"blake3 {manifest.blake3}", got)
    return None, [lost, changed]


def extent_findings(
    path: Path, table: DigestTable, damaged: Sequence[int], manifest: Manifest
) -> Iterator[Finding]:
    """What is damaged: samples with tokens and bytes, and bytes between the samples."""
    between = [i for i in damaged if table.extents["row"][i] == NO_ROW]
    by_row: defaultdict[int, list[int]] = defaultdict(list)
    for index in damaged:
        if table.extents["row"][index] != NO_ROW:
            by_row[int(table.extents["row"][index])].append(index)
    for row, indices in by_row.items():
        last = min(row + manifest.chunk[0], manifest.n_samples) - 1
        rows = f"row {row}" if row == last else f"rows {row}-{last}"
        tokens = {int(table.extents["token"][i]) for i in indices}
        shown = _spans((first, manifest.chunk[1]) for first in tokens)
        yield _finding(
            "states_changed",
            "A sample's hidden states are not what was published",
            f"{path}, {TRAJECTORIES} {rows}, tokens {shown}, {_ranges(table.extents, indices)}",
            *_digests(path, table.extents[indices[0]]),
            table.sample_ids[row],
        )
    if between:
        what = "Bytes outside the hidden states are not what was published"
        place = f"{path}, {_ranges(table.extents, between)}"
        yield _finding("bytes_changed", what, place, *_digests(path, table.extents[between[0]]))


def column_findings(columns: Columns, where: str, manifest: Manifest) -> Iterator[Finding]:
    """Which columns changed, and in which rows where ids tell."""
    for name, rows in sorted(columns.rows.items()):
        expected, got = manifest.datasets.get(name), column_digest(rows)
        if expected != got:
            what = "A dataset is not what was published"
            place = f"{where}, dataset {name}"
            yield _finding("dataset_changed", what, place, f"blake3 {expected}", got)


def sample_findings_of(
    digests: Sequence[str], where: str, table: DigestTable, damaged_rows: Container[int]
) -> Iterator[Finding]:
    """Which samples read otherwise than they were given, though their bytes are the same."""
    for index, (row, got) in enumerate(zip(table.states_digests, digests, strict=False)):
        expected = row.tobytes().hex()
        if expected != got and index not in damaged_rows:
            what = "A sample's hidden states do not read as they were given"
            place = f"{where}, {TRAJECTORIES} row {index}"
            sample_id = table.sample_ids[index]
            yield _finding("states_differ", what, place, f"blake3 {expected}", got, sample_id)
    if len(digests) != len(table.sample_ids):
        what = "The file has another number of samples than was published"
        expected, got = f"{len(table.sample_ids)}", f"{len(digests)}"
        yield _finding("dataset_changed", what, f"{where}, {TRAJECTORIES}", expected, got)


def content_finding(
    digests: Sequence[str],
    columns: Columns,
    header: TrajectoryHeader,
    where: str,
    manifest: Manifest,
) -> list[Finding]:
    """The finding for a header or content that gives another data version."""
    datasets = {name: column_digest(rows) for name, rows in columns.rows.items()}
    datasets[TRAJECTORIES] = column_digest(bytes.fromhex(digest) for digest in digests)
    got = content_digest(header, datasets)
    if got == manifest.content_digest:
        return []
    what = "The file's content is not what was published"
    return [_finding("content_changed", what, where, f"blake3 {manifest.content_digest}", got)]


def _ranges(extents: Extents, indices: Sequence[int]) -> str:
    """Byte ranges of extents for a person, neighbours joined."""
    return f"bytes {_spans((int(extents['start'][i]), int(extents['size'][i])) for i in indices)}"


def _spans(pieces: Iterable[tuple[int, int]]) -> str:
    """Pieces `(start, size)` as ranges from the first to before the last, neighbours joined."""
    joined: list[list[int]] = []
    for start, size in sorted(pieces):
        if joined and joined[-1][1] == start:
            joined[-1][1] = start + size
        else:
            joined.append([start, start + size])
    shown = ", ".join(f"{start}-{end}" for start, end in joined[:_RANGES_SHOWN])
    more = len(joined) - _RANGES_SHOWN
    return shown + (f" and {more} more ranges" if more > 0 else "")


def _digests(path: Path, extent: np.void) -> tuple[str, str]:
    """What an extent should be, and what it is."""
    with path.open("rb", buffering=0) as file:
        try:
            data = os.pread(file.fileno(), int(extent["size"]), int(extent["start"]))
        except OSError as error:
            return f"blake3 {extent['blake3'].tobytes().hex()}", f"{error.strerror}"
    got = blake3(data).hexdigest() if len(data) == extent["size"] else f"{len(data)} bytes"
    got = "all zero" if data and not any(data) else got
    return f"blake3 {extent['blake3'].tobytes().hex()}", got


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, sample_id: str | None = None
) -> Finding:
    """A finding of this check."""
    return Finding(CHUNKS_INTACT, kind, what, where, expected, got, MEND, sample_id=sample_id)
