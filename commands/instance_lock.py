"""One at a time on an instance: looking what is busy and then starting something there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from commands.platform import console
from quarry.errors import QuarryError
from quarry.trajectory.space import disk_named

_NAME = "quarry.lock"
_SOON_S, _PATIENCE_S = 1.0, 600.0


@contextmanager
def instance_lock(home: Path, *, patience_s: float = _PATIENCE_S) -> Generator[None]:
    """Hold the instance's lock, which ends with the process at the latest.

    Args:
        home: the instance's directory.
        patience_s: how long to wait for whoever has it.

    Raises:
        QuarryError: another command holds it for that long.
        DiskError: the lock file can't be made or opened.
    """
    path = home / _NAME
    lock = FileLock(path, mode=0o666)  # of whoever shares the instance
    with disk_named(path):
        _acquire(lock, path, patience_s)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, patience_s: float) -> None:
    try:
        lock.acquire(timeout=min(_SOON_S, patience_s))
        return
    except Timeout:
        console.print("waiting for another command that launches on this instance")
    try:
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise QuarryError(
            "Another command launches on this instance and does not come to an end",
            where=str(path),
            expected=f"the lock within {patience_s:.0f} s",
            got="held by another process",
            fix="end the other `quarry backfill` or `quarry ui`, and run it again",
        ) from error
