"""Looks at published files that many cells in a row can afford, as sensors take them.

Each answer is that of `verify(level="light")` or `read_manifest`, kept while the file, its
manifest and the manifest that waits are unchanged. A full verification never comes from here.
"""

from __future__ import annotations

from pathlib import Path

from quarry.trajectory.manifest import Manifest, manifest_path, pending_path, read_manifest
from quarry.trajectory.report import Report
from quarry.trajectory.verification import verify
from quarry.unchanged_files import UnchangedFiles

_reports: UnchangedFiles[Report] = UnchangedFiles()
_manifests: UnchangedFiles[Manifest] = UnchangedFiles()


def light_look(path: Path) -> Report:
    """The light verification of a file; one that could not be read is looked at each time."""
    paths = (path, manifest_path(path), pending_path(path))
    return _reports.answer(paths, lambda: verify(path, level="light"), keeps=_was_read)


def _was_read(report: Report) -> bool:
    """Whether the disk gave the file to be read: errors of disks and networks pass."""
    return all(found.kind != "unreadable" for found in report.findings)


def manifest_beside(path: Path) -> Manifest:
    """The manifest of a file.

    Raises:
        FileMissingError: there is none.
        IntegrityError: it is damaged.
    """
    place = manifest_path(path)
    return _manifests.answer((place,), lambda: read_manifest(place))
