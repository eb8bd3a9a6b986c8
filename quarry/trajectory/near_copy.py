"""Brings a staged file into the file system of its final name, where it can be renamed at once.

A copy is only made where staging lies on another file system. Its name says who makes it, so that
what a killed process left is swept.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.trajectory.digests import file_digest
from quarry.trajectory.report import CHUNKS_INTACT, RECOLLECT
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import StagedFile, is_abandoned, owner_mark


def bring_near(staged: StagedFile, final: Path) -> Path:
    """The staged file itself, or a verified copy beside the final name on another file system."""
    if is_near(staged.path, final):
        return staged.path
    near = copy_near(staged.path, final)
    got = file_digest(near)
    if got == staged.manifest.blake3:
        return near
    near.unlink()
    found = Finding(
        check=CHUNKS_INTACT,
        kind="bytes_changed",
        what="The copy on the other file system differs",
        where=str(near),
        expected=f"blake3 {staged.manifest.blake3}",
        got=got,
        cure=RECOLLECT,
    )
    raise IntegrityError("A file could not be copied", where=str(near), findings=[found])


def is_near(path: Path, final: Path) -> bool:
    """Whether a file can be renamed to its final name; tried with an empty one.

    Device numbers don't tell: two bind mounts of one file system refuse renames, too.
    """
    probe = path.with_name(f"{path.name}.probe")
    probe.touch()
    moved = final.with_name(f".{final.name}{owner_mark()}probe")
    try:
        probe.replace(moved)
    except OSError as error:
        probe.unlink()
        if error.errno != errno.EXDEV:
            raise
        return False
    moved.unlink()
    return True


def copy_near(path: Path, final: Path) -> Path:
    """Copy a file beside its final name under a name that says who makes it."""
    near = final.with_name(f".{final.name}{owner_mark()}copy")
    require_space(near, path.stat().st_size)
    try:
        with full_disk_named(near):
            shutil.copyfile(path, near)
    except BaseException:
        near.unlink(missing_ok=True)
        raise
    return near


def sweep_copies(final: Path) -> None:
    """Remove what dead processes left beside a file: copies, half-written manifests, tables."""
    for path in final.parent.glob(f".*{final.name}*.by-*"):
        if is_abandoned(path.name):
            path.unlink(missing_ok=True)
