"""A directory that appears whole or not at all, such as a toy checkpoint or an evaluation set.

Trajectory files are published by `quarry.trajectory`, single tables by `quarry.tables`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from quarry.errors import StorageFullError

# safetensors reports a full disk by text only, as an error class of its own.
_NO_SPACE: Final = f"os error {errno.ENOSPC}"
_RENAME_EXCHANGE: Final = 2
_HERE: Final = -100  # AT_FDCWD


@contextmanager
def publish_directory(final: Path) -> Generator[Path]:
    """Give a new directory beside `final` to fill; at the end it takes the final name.

    Where the file system can exchange two names (Linux), there is no moment at which the final name
    has neither the old directory nor the new one; elsewhere the old one steps aside first. After
    an error the new directory is removed and the old one stays.

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
            "A directory can't be written: the disk is full",
            where=str(final),
            expected="room for its files",
            got=str(error),
            fix="free some space, or choose another data directory; what had this name before "
            "is untouched",
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
    """Give the new directory the final name; the old one, if any, is removed last."""
    building.chmod(0o755)
    if not final.exists():
        building.rename(final)
    elif _exchanged(building, final):
        shutil.rmtree(building, ignore_errors=True)
    else:
        _replace_in_two_steps(building, final)


def _exchanged(building: Path, final: Path) -> bool:
    """Whether both directories changed names in one step, which not every system can."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(building), os.fsencode(final)
    return rename(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE) == 0


def _replace_in_two_steps(building: Path, final: Path) -> None:
    """Move the old directory aside, and back where the new one can't take its name."""
    replaced = building.with_name(f"{building.name}.replaced")
    final.rename(replaced)
    try:
        building.rename(final)
    except OSError:
        replaced.rename(final)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
