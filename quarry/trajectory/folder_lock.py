"""The lock of a folder, so that two publications or repairs in it don't mix."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: Path) -> Generator[int]:
    """Hold a folder's lock; gives its descriptor.

    Some network file systems lock only files opened for writing, which a directory can't be; there
    two publications of one cell at once are not kept apart.
    """
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)
