"""`ProvenFile`: bytes from a store become a file only once they are all there, right and durable.

They go to a temporary name in the target's folder. Where they come from belongs to the stores.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.storage.limits import Limits, Progress
from quarry.storage.object_store import ObjectInfo
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import is_abandoned, owner_mark
from quarry.trajectory.writeback import start_writeback

_LONGEST_STEM_BYTES = 120
# The page cache takes large pages for large writes, and a virtual machine may have to ask its host
# for each of them: writes of 8 MiB took twice as long.
_WRITE_BYTES = 128 << 10


class ProvenFile:
    """Where the bytes of a download go, in order."""

    def __init__(self, file: BinaryIO, size_bytes: int, progress: Progress | None) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._progress = progress
        self._digest = blake3()
        self.n_bytes = 0

    def add(self, piece: bytes | memoryview) -> None:
        """Write and hash the next bytes; the disk takes them meanwhile."""
        view = memoryview(piece)
        for start in range(0, len(view), _WRITE_BYTES):
            self._file.write(view[start : start + _WRITE_BYTES])
        start_writeback(self._file.fileno(), self.n_bytes, len(piece))
        self._digest.update(piece)
        self.n_bytes += len(piece)
        if self._progress is not None:
            self._progress(self.n_bytes, self._size_bytes)

    def hex(self) -> str:
        """The digest so far."""
        return self._digest.hexdigest()


@contextmanager
def proven_file(
    target: Path,
    info: ObjectInfo,
    digest: str,
    store: str,
    limits: Limits,
    progress: Progress | None,
) -> Generator[ProvenFile]:
    """Take an object's bytes; afterwards they are at the target, or nothing has changed there.

    Args:
        target: the file's final name.
        info: what is being downloaded.
        digest: BLAKE3 that the bytes must have.
        store: the store's name, for messages.
        limits: asked once more before the file gets its name.
        progress: called with bytes done and in all.

    Raises:
        IntegrityError: too few, too many or wrong bytes.
        StorageFullError: there is no room.
    """
    where = f"{store}/{info.name}, version {info.version}"
    if info.blake3 is not None and info.blake3 != digest:
        raise _wrong(where, "remote_different", "The store has another file", digest, info.blake3)
    with full_disk_named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    require_space(target, info.size_bytes)
    temporary = target.with_name(f"{_stem(target)}{owner_mark()}download")
    try:
        with full_disk_named(target), temporary.open("xb") as file:
            _reserve(file, info.size_bytes)
            taken = ProvenFile(file, info.size_bytes, progress)
            yield taken
            _prove(taken, info, digest, where)
            limits.check()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def absent(store: str, name: str, version: str | None) -> FileMissingError:
    """The error for an object that a store does not have."""
    return FileMissingError(
        "An object is missing",
        where=f"{store}/{name}",
        expected="a stored object" if version is None else f"version {version}",
        got="none",
        fix="upload the file from a place that has it, or collect the partition again",
    )


def cut_off(where: str, expected_bytes: int) -> IntegrityError:
    """The error for an object that ends before its size."""
    expected = f"at least {expected_bytes:,} bytes"
    return _wrong(where, "truncated", "The stored object ends early", expected, "fewer")


def _prove(taken: ProvenFile, info: ObjectInfo, digest: str, where: str) -> None:
    """Compare size and digest of what came."""
    if taken.n_bytes != info.size_bytes:
        expected, got = f"{info.size_bytes:,} bytes", f"{taken.n_bytes:,} bytes"
        raise _wrong(where, "truncated", "The download has another size", expected, got)
    if taken.hex() != digest:
        raise _wrong(where, "digest", "The download has other bytes", digest, taken.hex())


def _sweep(target: Path) -> None:
    """Remove what dead processes left of downloads of the same file."""
    for path in target.parent.glob(".*.download"):
        if path.name.startswith(f"{_stem(target)}.by-") and is_abandoned(path.name):
            path.unlink(missing_ok=True)


def _stem(target: Path) -> str:
    """How the temporary names of a target begin; a long name leaves no room for the owner."""
    if len(target.name.encode()) <= _LONGEST_STEM_BYTES:
        return f".{target.name}"
    return f".{blake3(target.name.encode()).hexdigest()[:32]}"


def _reserve(file: BinaryIO, size_bytes: int) -> None:
    """Take the room now, so that a full disk shows before any byte is moved."""
    if not size_bytes:
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _wrong(where: str, kind: str, what: str, expected: str, got: str) -> IntegrityError:
    """The error for an object that is not what it should be."""
    found = Finding(
        check="remote_copy_matches",
        kind=kind,
        what=what,
        where=where,
        expected=expected,
        got=got,
        cure="restore the object from a good copy: upload it once more with `again`",
    )
    return IntegrityError(
        "An object of a store is not what it should be", where=where, findings=[found]
    )
