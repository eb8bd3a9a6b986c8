"""Gives a finished file its final name, so that nothing unproven ever carries it.

The order, after the staged file was verified by reading it back from disk:

    1  sync the file                        a crash loses nothing that was published before
    2  write the table of digests, synced   its name is its own, the older one stays
    3  write the manifest as *pending*, synced
    4  rename the file to its final name     new file, old manifest: seen as a mismatch
    5  rename the pending manifest
    6  sync the directory, drop the older table and what staging still holds of the cell

After a crash between 4 and 5 `recover` finishes the work; the older file is replaced, never
deleted. Staging names and sweeping are in `staging`. kill -9 is covered; loss of power as far as
the file system keeps its promises about fsync and rename.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from quarry.errors import QuarryError
from quarry.trajectory.digest_table import put_table, read_table_bytes, sweep_tables
from quarry.trajectory.digests import file_digest
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.kept_rows import condemn, drop_superseded
from quarry.trajectory.manifest import (
    Manifest,
    manifest_path,
    pending_path,
    read_manifest,
    write_manifest,
)
from quarry.trajectory.near_copy import bring_near, copy_near, is_near, sweep_copies
from quarry.trajectory.report import RULES_VERSION, Expected
from quarry.trajectory.space import full_disk_named
from quarry.trajectory.staging import (
    StagedFile,
    staging_path,
    sweep_staging,
)
from quarry.trajectory.verification import verify

__all__ = [
    "StagedFile",
    "Step",
    "publish",
    "publish_plain",
    "recover",
    "staging_path",
    "sweep_staging",
]

Step = Literal[
    "verified",
    "file_synced",
    "digests_written",
    "manifest_pending",
    "file_renamed",
    "manifest_renamed",
    "directory_synced",
]
NOT_THE_ROWS = ("unreadable", "missing")
"""Findings that say nothing about the rows: a slow disk, a killed child."""

OnStep = Callable[[Step], None]


def publish(
    staged: StagedFile,
    final: Path,
    *,
    expected: Expected | None = None,
    deadline_s: float | None = None,
    on_step: OnStep | None = None,
) -> Manifest:
    """Verify a staged file fully and give it its final name.

    Args:
        staged: the finished file; gone from staging afterwards.
        final: its final name; an older file there is replaced at once.
        expected: what the partition should hold.
        deadline_s: most seconds that verification may take; see `verify`.
        on_step: called after each step, for progress and for tests of interruption.

    Returns:
        The manifest as it was written beside the file.

    Raises:
        IntegrityError: the staged file is not what was written; nothing was published and the
            older file is still there. The staged file is kept for inspection.
        StorageFullError: no room, where staging is on another file system.
    """
    try:
        return _publish(staged, final, expected, deadline_s, on_step or _silent)
    finally:
        if staged.journal is not None:
            staged.journal.close()


def _publish(
    staged: StagedFile,
    final: Path,
    expected: Expected | None,
    deadline_s: float | None,
    tell: OnStep,
) -> Manifest:
    """`publish`, with the staged file's lock held."""
    blake3 = _examine(staged, expected, deadline_s)
    tell("verified")
    final.parent.mkdir(parents=True, exist_ok=True)
    table = read_table_bytes(staged.path, staged.manifest.digests)
    staged = replace(
        staged, manifest=replace(staged.manifest, blake3=blake3, rules_version=RULES_VERSION)
    )
    manifest = staged.manifest.named(final.name)
    with locked(final.parent) as directory:
        _recover(final)
        sweep_copies(final)
        near = bring_near(staged, final)
        _sync(near)
        tell("file_synced")
        with full_disk_named(final):
            put_table(final, manifest.digests, table)
        tell("digests_written")
        _rename(near, final, manifest, directory, tell)
        sweep_tables(final, manifest.digests)
    staged.path.unlink(missing_ok=True)  # still there if it had to be copied
    sweep_tables(staged.path, "")
    drop_superseded(staged.path)
    return manifest


def _examine(staged: StagedFile, expected: Expected | None, deadline_s: float | None) -> str:
    """Verify a staged file and hash it as a whole, side by side; returns the digest.

    Raises:
        IntegrityError: it is not what was written; its rows are not used again.
    """
    with ThreadPoolExecutor(1) as pool:
        blake3 = pool.submit(file_digest, staged.path)
        report = verify(
            staged.path, expected=expected, deadline_s=deadline_s, manifest=staged.manifest
        )
        if any(found.kind not in NOT_THE_ROWS for found in report.errors):
            condemn(staged.path)
        report.raise_if_broken()
        return blake3.result()


def _rename(source: Path, final: Path, manifest: Manifest, directory: int, tell: OnStep) -> None:
    """Steps 3 to 6: from a synced file in the same file system to a published one."""
    with full_disk_named(final):
        write_manifest(pending_path(final), manifest)
    os.fsync(directory)
    tell("manifest_pending")
    source.replace(final)
    tell("file_renamed")
    pending_path(final).replace(manifest_path(final))
    tell("manifest_renamed")
    os.fsync(directory)
    tell("directory_synced")


def publish_plain(path: Path, final: Path) -> None:
    """Give a small derived file its final name: sync, rename, sync the directory.

    For views that can be made again at any time and that need no manifest.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with locked(final.parent) as directory:
        sweep_copies(final)
        near = path if is_near(path, final) else copy_near(path, final)
        _sync(near)
        near.replace(final)
        os.fsync(directory)
    path.unlink(missing_ok=True)


def recover(final: Path) -> Manifest | None:
    """Finish a publication that was interrupted between its two renames, or forget it.

    Returns:
        The manifest, if the file at the final name is the one that was being published.
    """
    if not final.parent.is_dir():
        return None
    with locked(final.parent) as directory:
        manifest = _recover(final)
        os.fsync(directory)
    return manifest


def _recover(final: Path) -> Manifest | None:
    """`recover`, with the directory locked."""
    pending = pending_path(final)
    if not pending.exists():
        return None
    try:
        manifest = read_manifest(pending)
    except QuarryError:
        pending.unlink(missing_ok=True)
        return None
    is_this = (
        final.exists()
        and final.stat().st_size == manifest.size_bytes
        and file_digest(final) == manifest.blake3
    )
    if not is_this:
        pending.unlink()
        return None
    pending.replace(manifest_path(final))
    sweep_tables(final, manifest.digests)
    return manifest


def _sync(path: Path) -> None:
    """Make a file's bytes durable."""
    with full_disk_named(path), path.open("rb+") as file:
        os.fsync(file.fileno())


def _silent(step: Step) -> None:
    """The hook of a caller that has none."""
