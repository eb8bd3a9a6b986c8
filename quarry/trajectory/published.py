"""`PublishedFile`: a file that already has its final name, proven to be what its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify


@dataclass(frozen=True)
class PublishedFile:
    """A published file and its manifest."""

    path: Path
    manifest: Manifest


def require_published(path: Path, expected: Expected) -> PublishedFile:
    """Verify a published file fully.

    Raises:
        IntegrityError: it is missing, damaged or another partition's; carries the findings.
    """
    verify(path, level="full", expected=expected).raise_if_broken()
    return PublishedFile(path, read_manifest(manifest_path(path)))
