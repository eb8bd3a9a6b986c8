"""What lies in the places of cells, at a glance: names, sizes and manifests, never the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quarry.errors import QuarryError
from quarry.keys import TrajectoryKey
from quarry.trajectory.looks import manifest_beside
from quarry.trajectory.manifest import Manifest, pending_path


@dataclass(frozen=True)
class CellFile:
    """A file with a cell's final name.

    Args:
        key: the cell.
        path: the file.
        size_bytes: its size.
        version: digest of what it says, by its manifest; for a file without one, words that change
            with it.
        manifest: its manifest; None where there is no whole one.
    """

    key: TrajectoryKey
    path: Path
    size_bytes: int
    version: str
    manifest: Manifest | None


def files_in_place(data_dir: Path, keys: Iterable[TrajectoryKey]) -> list[CellFile]:
    """The files of these cells that are there, in the order of the cells.

    A file whose publication is under way, or was cut short, is left out: it is finished first.
    """
    found: list[CellFile] = []
    for key in keys:
        path = data_dir / key.trajectory_path
        try:
            status = path.stat()
        except OSError:
            continue
        if pending_path(path).exists():
            continue
        manifest = _manifest(path)
        version = (
            manifest.content_digest
            if manifest
            else f"unproven-{status.st_size}-{status.st_mtime_ns}"
        )
        found.append(CellFile(key, path, status.st_size, version, manifest))
    return found


def _manifest(path: Path) -> Manifest | None:
    """The manifest beside a file, if it is whole."""
    try:
        return manifest_beside(path)
    except QuarryError:
        return None
