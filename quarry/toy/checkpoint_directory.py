"""A checkpoint directory that appears whole or not at all.

Trajectory files are published by `quarry.trajectory`; here are the few files of a toy model.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from quarry.errors import StorageFullError

# safetensors reports a full disk by text only, as an error class of its own.
_NO_SPACE = f"os error {errno.ENOSPC}"


@contextmanager
def publish_directory(final: Path) -> Generator[Path]:
    """Give a new directory beside `final` to fill; at the end it takes the final name.

    What had that name before is replaced in one rename each way, and removed last. After an error
    the new directory is removed and the old one stays.

    Raises:
        StorageFullError: there was not enough space.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        yield building
        _sync(building)
        _take_name(building, final)
    # safetensors' error is no OSError, so that every class has to be looked at.
    except Exception as error:
        if getattr(error, "errno", None) != errno.ENOSPC and _NO_SPACE not in str(error):
            raise
        raise StorageFullError(
            "A checkpoint can't be written",
            where=str(final),
            expected="about 5 MB of free space",
            got=str(error),
            fix="free some space, or choose another data directory",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sync(directory: Path) -> None:
    """Wait until every file in the directory, and the lists of files, are on the disk."""
    for path in [*directory.rglob("*"), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take_name(building: Path, final: Path) -> None:
    """Rename to the final name; a directory that has it steps aside first."""
    building.chmod(0o755)
    replaced = building.with_name(f"{building.name}.replaced")
    if final.exists():
        final.rename(replaced)
    building.rename(final)
    shutil.rmtree(replaced, ignore_errors=True)
