"""Tables on disk: Parquet files, published whole and read with errors that name the file."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import blake3

from quarry.errors import FileMissingError, RecordError, StorageFullError

if TYPE_CHECKING:
    import pandas as pd

NO_SPACE = 28


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame under a temporary name in the same directory, sync it, give it its name.

    Raises:
        StorageFullError: the disk is full; `path` is as it was before.
    """
    write_whole(path, lambda temporary: frame.to_parquet(temporary, index=False))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file in the same directory, sync it, give it its name.

    Raises:
        StorageFullError: the disk is full; `path` is as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno != NO_SPACE:
            raise
        raise StorageFullError(
            "A table can't be written: the disk is full",
            where=str(path),
            expected="free space for the table",
            got=str(error),
            fix="free space and materialise the partition again; the old file is untouched",
        ) from error


def read_table(path: Path) -> pd.DataFrame:
    """Read a frame.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it is no readable Parquet file.
    """
    import pandas as pd
    import pyarrow as pa

    if not path.exists():
        raise FileMissingError(
            "A table does not exist",
            where=str(path),
            expected="a Parquet file",
            got="nothing",
            fix="materialise the partition that writes it",
        )
    try:
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise RecordError(
            "A table can't be read",
            where=str(path),
            expected="a Parquet file",
            got=str(error).splitlines()[0],
            fix="materialise the partition that writes it again",
        ) from error


def content_digest(frame: pd.DataFrame) -> str:
    """blake3 of a frame's values, columns in order; independent of how Parquet encodes them."""
    digest = blake3.blake3()
    digest.update(repr(tuple(frame.columns)).encode())
    for row in frame.itertuples(index=False, name=None):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Flush a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
