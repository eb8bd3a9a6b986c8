"""Puts a restored file in the place of the damaged one, which is kept aside.

    1  sync the restored file
    2  give the damaged one a second name aside, with its manifest and tables
    3  write the new table of digests beside it
    4  write the new manifest as *pending*, synced
    5  rename the restored file to the final name
    6  rename the pending manifest, drop the older tables, sync the folder

The order is that of `quarry.trajectory.publication`, whose `recover` also finishes this after a
crash between 5 and 6; before that the old state is all there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from quarry.healing.aside import keep_aside
from quarry.keys import TrajectoryKey
from quarry.trajectory.digest_table import put_table, read_table_bytes, sweep_tables
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.manifest import manifest_path, pending_path, read_manifest, write_manifest
from quarry.trajectory.space import full_disk_named

Step = Literal[
    "seeded",
    "mended",
    "file_synced",
    "kept_aside",
    "digests_written",
    "manifest_pending",
    "file_renamed",
    "manifest_renamed",
    "folder_synced",
]
OnStep = Callable[[Step], None]

FileState = tuple[int, int, int] | None
"""Inode, size and time of the last change; None where there is no file."""


class PlaceChangedError(Exception):
    """Somebody else gave the final name another file meanwhile."""


def state_of(path: Path) -> FileState:
    """What tells a file from one that took its place, or was written to."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def swap_in(
    work: Path,
    path: Path,
    key: TrajectoryKey,
    aside: Path,
    why: str,
    *,
    before: FileState,
    tell: OnStep,
) -> Path | None:
    """Give a restored file its final name.

    Args:
        work: the restored and verified file, in the same file system, with manifest and table.
        path: the final name.
        key: the cell.
        aside: where the damaged file goes.
        why: machine name of its defect.
        before: what had the final name when the damage was found.
        tell: called after each step, for tests of interruption.

    Returns:
        Where the damaged file is kept; None where there was none.

    Raises:
        PlaceChangedError: something else has the final name by now; nothing was done.
        StorageFullError: there is no room; nothing has changed at the final name.
    """
    manifest = read_manifest(manifest_path(work)).named(path.name)
    table = read_table_bytes(work, manifest.digests)
    with locked(path.parent) as directory:
        if state_of(path) != before:
            raise PlaceChangedError
        _sync(work)
        tell("file_synced")
        is_same = before is not None and work.samefile(path)  # only proofs were lost
        kept = None if before is None or is_same else keep_aside(path, key, aside, why)
        tell("kept_aside")
        with full_disk_named(path):
            put_table(path, manifest.digests, table)
            tell("digests_written")
            write_manifest(pending_path(path), manifest)
        os.fsync(directory)
        tell("manifest_pending")
        if not is_same:
            work.replace(path)
        tell("file_renamed")
        pending_path(path).replace(manifest_path(path))
        tell("manifest_renamed")
        sweep_tables(path, manifest.digests)
        os.fsync(directory)
    tell("folder_synced")
    return kept


def _sync(path: Path) -> None:
    """Make a file's bytes durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
