"""Gives an older file its final name as it is: a second name for the same bytes, or a proven copy.

The order is that of `quarry.trajectory.publication`, whose `recover` also finishes this after a
crash: the table of digests, the manifest as pending, the file, the manifest. The original keeps its
own name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from quarry.errors import IntegrityError, UsageError
from quarry.findings import Finding
from quarry.trajectory.digest_table import DigestTable, put_table, sweep_tables
from quarry.trajectory.digests import file_digest
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.manifest import Manifest, manifest_path, pending_path, write_manifest
from quarry.trajectory.report import FILE_COMPLETE
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import is_abandoned, owner_mark

How = Literal["auto", "link", "copy"]
"""`link` for a second name of the same file, `copy`, or `auto` for a link wherever one can be."""

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


@contextlib.contextmanager
def brought_near(source: Path, final: Path, how: How) -> Generator[Path]:
    """A name in the final folder for a file's bytes, gone after the block unless it was renamed.

    The file itself where it is there already.

    Args:
        source: the older file; it is only read.
        final: the name that its bytes shall have.
        how: by a link or a copy.

    Raises:
        UsageError: a link was asked for and can't be made.
        IntegrityError: the copy differs from the original.
        StorageFullError: there is no room for a copy.
    """
    if is_there(source, final):
        yield final
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{final.name}.by-*.adopt"):
        if is_abandoned(left.name):
            left.unlink(missing_ok=True)
    near = final.with_name(f".{final.name}{owner_mark()}adopt")
    try:
        if how == "copy" or not _link(source.resolve(), near, must=how == "link"):
            _copy(source, near)
        yield near
    finally:
        near.unlink(missing_ok=True)


def is_there(source: Path, final: Path) -> bool:
    """Whether the final name leads to the very file, by whatever name it was found."""
    return final.exists() and final.samefile(source)


def settle(
    near: Path,
    final: Path,
    described: tuple[Manifest, DigestTable] | None,
    *,
    before: tuple[int, int],
    may_replace: bool,
) -> bool:
    """Rename a file to its final name, with its manifest; one that can't be proven has none.

    Args:
        near: as `brought_near` gave it.
        final: the final name.
        described: what the file is, as `describe_file` says.
        before: size and time of the last change of what was described.
        may_replace: whether another file at the final name may be replaced.

    Returns:
        Whether it was done; False if another file has come to be there and may not be replaced.
    """
    with locked(final.parent) as directory:
        is_other = final.exists() and not final.samefile(near)
        if is_other and not may_replace:
            return False
        if state_of(near) != before:  # published while we waited for the lock
            return False
        if described is None:
            manifest_path(final).unlink(missing_ok=True)
        if described is not None:
            with full_disk_named(final):
                # Again, within the lock: who published meanwhile has swept other tables.
                put_table(final, described[0].digests, described[1].as_bytes())
                write_manifest(pending_path(final), described[0])
        os.fsync(directory)
        if near != final:
            near.replace(final)
        if described is not None:
            pending_path(final).replace(manifest_path(final))
            sweep_tables(final, described[0].digests)
        os.fsync(directory)
    return True


def state_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change, which links and copies keep; zeros if it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _link(source: Path, near: Path, *, must: bool) -> bool:
    """Make a second name of a file; whether the file system can."""
    try:
        near.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if must:
            raise UsageError(
                "A file can't be linked into the data directory",
                where=str(source),
                expected="a data directory on the same file system that allows hard links",
                got=error.strerror or str(error),
                fix="leave --link out, so that it is copied",
            ) from error
        return False
    return True


def _copy(source: Path, near: Path) -> None:
    """Copy a file with its times, sync it and compare the two.

    Raises:
        IntegrityError: they differ.
    """
    require_space(near, source.stat().st_size)
    with full_disk_named(near):
        shutil.copyfile(source, near)
        shutil.copystat(source, near)
        with near.open("rb") as file:
            os.fsync(file.fileno())
    expected, got = file_digest(source), file_digest(near)
    if got != expected:
        found = Finding(
            check=FILE_COMPLETE,
            kind="copy_differs",
            what="The copy differs from the original",
            where=str(source),
            expected=f"blake3 {expected}",
            got=got,
            cure="see that nothing writes to the original, then adopt it again",
        )
        raise IntegrityError("A file could not be copied", where=str(source), findings=[found])
