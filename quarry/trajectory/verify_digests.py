"""Check `chunks_intact`: the file is byte for byte what was published, or where it is not.

The whole file's digest decides; the digests of columns and samples say what is hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from quarry.findings import Finding
from quarry.trajectory.chunk_map import ChunkMap
from quarry.trajectory.columns import Columns
from quarry.trajectory.digests import column_digest, content_digest
from quarry.trajectory.layout import TRAJECTORIES, TrajectoryHeader
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import CHUNKS_INTACT, RECOLLECT

_RANGES_SHOWN = 3


def file_finding(path: Path, digest: str, manifest: Manifest) -> list[Finding]:
    """The finding for a file whose bytes are not those that were published."""
    if digest == manifest.blake3:
        return []
    what = "The file's bytes changed after publication"
    return [_finding("bytes_changed", what, str(path), f"blake3 {manifest.blake3}", digest)]


def column_findings(columns: Columns, where: str, manifest: Manifest) -> Iterator[Finding]:
    """Which columns changed, and in which rows where ids tell."""
    for name, rows in sorted(columns.rows().items()):
        expected, got = manifest.datasets.get(name), column_digest(rows)
        if expected != got:
            what = "A dataset is not what was published"
            place = f"{where}, dataset {name}"
            yield _finding("dataset_changed", what, place, f"blake3 {expected}", got)


def sample_digest_findings(
    digests: Sequence[str], where: str, manifest: Manifest, chunk_map: ChunkMap
) -> Iterator[Finding]:
    """Which samples' hidden states changed, with the byte ranges that hold them."""
    for index, (expected, got) in enumerate(zip(manifest.sample_digests, digests, strict=False)):
        if expected == got:
            continue
        extents = chunk_map.extents_of(index)
        ranges = ", ".join(f"{start}-{end}" for start, end in extents[:_RANGES_SHOWN])
        more = f" and {len(extents) - _RANGES_SHOWN} more" if len(extents) > _RANGES_SHOWN else ""
        yield _finding(
            "states_changed",
            "A sample's hidden states are not what was published",
            f"{where}, {TRAJECTORIES} row {index}, bytes {ranges}{more}",
            f"blake3 {expected}",
            got,
            manifest.sample_ids[index],
        )
    if len(digests) != len(manifest.sample_digests):
        what = "The file has another number of samples than was published"
        expected, got = f"{len(manifest.sample_digests)}", f"{len(digests)}"
        yield _finding("dataset_changed", what, f"{where}, {TRAJECTORIES}", expected, got)


def content_finding(
    digests: Sequence[str],
    columns: Columns,
    header: TrajectoryHeader,
    where: str,
    manifest: Manifest,
) -> list[Finding]:
    """The finding for a header or content that gives another data version."""
    datasets = {name: column_digest(rows) for name, rows in columns.rows().items()}
    datasets[TRAJECTORIES] = column_digest(bytes.fromhex(digest) for digest in digests)
    got = content_digest(header, datasets)
    if got == manifest.content_digest:
        return []
    what = "The file's content is not what was published"
    return [_finding("content_changed", what, where, f"blake3 {manifest.content_digest}", got)]


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, sample_id: str | None = None
) -> Finding:
    """A finding of this check."""
    return Finding(CHUNKS_INTACT, kind, what, where, expected, got, RECOLLECT, sample_id=sample_id)
