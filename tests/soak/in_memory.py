"""Folders in memory, for rows that make thousands of durable commits.

What a killed process had written survives it there as it does on a disk: kill -9 is not a loss of
power. On the disk of a small machine two thirds of such a row's time were spent on `fsync`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory(otherwise: Path) -> Generator[Path]:
    """A folder in memory; the given one where the machine has none."""
    if not _MEMORY.is_dir():
        otherwise.mkdir(parents=True, exist_ok=True)
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="soak-", dir=_MEMORY) as directory:
        yield Path(directory)
