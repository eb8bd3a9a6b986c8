"""One upload of an object at a time on this machine.

Two workers would adopt each other's unfinished upload, or store two versions of the same file.
B2 has no conditional writes, so workers on other machines can't be kept out here.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from quarry.storage.limits import Limits
from quarry.trajectory.space import full_disk_named

_POLL_S = 0.1


@contextmanager
def object_lock(folder: Path, name: str, limits: Limits) -> Generator[None]:
    """Hold the lock of an object; the kernel frees it when the process dies.

    Args:
        folder: where the lock files lie; made if needed.
        name: bucket and object.
        limits: how long to wait for another holder.

    Raises:
        StorageDeadlineError, StorageCancelledError: the limits.
        StorageFullError: there is no room for a lock file.
    """
    path = folder / f"{blake3(name.encode()).hexdigest()[:32]}.lock"
    with full_disk_named(path):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _took(descriptor):
            limits.pause(_POLL_S, "another upload of the object runs on this machine")
        yield
    finally:
        os.close(descriptor)


def _took(descriptor: int) -> bool:
    """Whether the lock was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
