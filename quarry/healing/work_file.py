"""The file on which restoring works: in a hidden folder beside the final name, its owner's alone.

It begins as a second name of the damaged file, which `repair` copies before it writes, or as what a
killed process had got of it; else it is empty. A folder of its own has a lock of its own, so that
nobody waits for a slow store. When the file is proven is `mending`'s business.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

from quarry.errors import FileMissingError, IntegrityError
from quarry.trajectory.digest_table import sweep_tables
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.layout import MIB
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.near_copy import copy_near, sweep_copies
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import is_abandoned, owner_mark

_FILE = "restored.h5"
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


@contextlib.contextmanager
def work_file(path: Path, is_kept: Callable[[], bool] = lambda: False) -> Generator[Path]:
    """A file to work on, gone after the block unless it was renamed; a kill leaves it.

    Args:
        path: the final name; its folder exists.
        is_kept: asked at the end; what a store gave before it failed is worth keeping for the next
            process, as after a kill.

    Raises:
        StorageFullError: it has to be copied at once, and there is no room.
    """
    folder = path.with_name(f".{path.stem}{owner_mark()}restore")
    try:
        _take_over(folder, path)
        work = folder / _FILE
        if not work.exists():
            _seed(work, path)
        yield work
    finally:
        if not is_kept():
            shutil.rmtree(folder, ignore_errors=True)


def sweep_left(path: Path, *, has_proof: bool = False) -> None:
    """Remove what killed processes left beside a file: work folders and copies.

    Args:
        path: the file.
        has_proof: whether the file was just verified, so that tables of other versions go, too.
    """
    if not path.parent.is_dir():
        return
    with locked(path.parent):
        for folder in _abandoned(path):
            shutil.rmtree(folder, ignore_errors=True)
        sweep_copies(path)
        if has_proof:
            with contextlib.suppress(FileMissingError, IntegrityError):
                sweep_tables(path, read_manifest(manifest_path(path)).digests)


def copy_readable(path: Path, work: Path) -> None:
    """Make a work file a copy of what can be read of a file; bad sectors become holes.

    Raises:
        StorageFullError: there is no room.
    """
    size_bytes = path.stat().st_size
    work.unlink(missing_ok=True)
    require_space(work, size_bytes)
    with path.open("rb", buffering=0) as file, full_disk_named(work), work.open("xb") as copy:
        for start in range(0, size_bytes, MIB):
            try:
                piece = os.pread(file.fileno(), MIB, start)
            except OSError:
                continue
            copy.seek(start)
            copy.write(piece)
        copy.truncate(size_bytes)


def _take_over(folder: Path, path: Path) -> None:
    """Make a work folder, with the file that a killed process had fetched most of, if any."""
    with locked(path.parent):
        own = [one / _FILE for one in _abandoned(path) if _is_own(one / _FILE)]
        if own:
            max(own, key=lambda one: one.stat().st_mtime_ns).parent.replace(folder)
    sweep_left(path)
    folder.mkdir(exist_ok=True)


def _abandoned(path: Path) -> list[Path]:
    """Work folders of dead processes."""
    found = path.parent.glob(f".{path.stem}.by-*.restore")
    return [folder for folder in found if is_abandoned(folder.name)]


def _is_own(file: Path) -> bool:
    """Whether a file was written to: until then it is a second name of the damaged one."""
    try:
        return file.stat().st_nlink == 1
    except FileNotFoundError:
        return False


def _seed(work: Path, path: Path) -> None:
    """Give a work file its first bytes."""
    try:
        work.hardlink_to(path)
    except FileNotFoundError:
        work.touch()
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy_near(path, work).replace(work)
