"""Room on the disk: asked before writing, and named when it runs out or the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import h5py

from quarry.errors import DiskError, QuarryError, StorageFullError
from quarry.trajectory.layout import MIB

RESERVE_BYTES = MIB
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_space(path: Path, needed_bytes: int) -> None:
    """Make sure that a file system has room for what is about to be written.

    Args:
        path: the file to be written; its folder exists.
        needed_bytes: what will be written at least.

    Raises:
        StorageFullError: there is less room, keeping 1 MiB free for metadata.
    """
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes + RESERVE_BYTES:
        raise _full(path, f"{needed_bytes + RESERVE_BYTES:,} bytes free", f"{free_bytes:,} bytes")


@contextlib.contextmanager
def full_disk_named(path: Path) -> Generator[None]:
    """Turn an operating system's or HDF5's "no space" into `StorageFullError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not is_full(error):
            raise
        raise _full(path, "room for the rest of the file", _first_line(error)) from error


@contextlib.contextmanager
def disk_named(path: Path) -> Generator[None]:
    """Turn whatever an operating system refuses into an error that says where and what to do.

    Args:
        path: the file that is worked on; named where the operating system names none.

    Raises:
        StorageFullError: there is no room.
        DiskError: anything else, such as a missing permission or a bad sector.
    """
    try:
        with full_disk_named(path):
            yield
    except QuarryError:
        raise
    except OSError as error:
        raise DiskError(
            "The disk refused to read or write",
            where=str(error.filename or path),
            expected="a file system that this user may read and write",
            got=_first_line(error),
            fix="see owner, permissions and the kernel's log; then run it again",
        ) from error


def is_full(error: BaseException) -> bool:
    """Whether an error says that disk, quota or file size limit is exhausted.

    h5py passes the number on as `errno` from some calls, inside the text from others.
    """
    if isinstance(error, StorageFullError):
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error)
    return any(f"errno = {number}," in text for number in _FULL)


def _first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return str(error).splitlines()[0][:200]


def _full(path: Path, expected: str, got: str) -> StorageFullError:
    """The error for a full disk."""
    return StorageFullError(
        "Not enough space to write a file",
        where=str(path),
        expected=expected,
        got=got,
        fix="free space or choose another data directory, then run the partition again; samples "
        "that were collected are kept in staging/, nothing half-written has a final name",
    )


def abandon(file: h5py.File) -> None:
    """Close a file whose content is not wanted, on a full disk, too.

    Closing flushes HDF5's metadata. Where that fails the handle stays open and the process dies by
    SIGSEGV later (HDF5 2.0, 3 of 3 tries), so the last writes are sent to `/dev/null` instead.
    """
    with contextlib.suppress(OSError, RuntimeError):
        descriptor = file.id.get_vfd_handle()
        sink = os.open(os.devnull, os.O_RDWR)
        os.dup2(sink, descriptor)
        os.close(sink)
    with contextlib.suppress(OSError, RuntimeError):
        file.close()
