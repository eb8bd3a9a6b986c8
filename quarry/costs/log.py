"""`CostLog`: the cost records of a data directory, one line each, appended and never changed.

A line carries its own digest. A process that is killed, or a full disk, leaves one torn line at
worst: the next one begins on a line of its own, and what can't be read is skipped and counted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from quarry.costs.record import CostRecord
from quarry.errors import QuarryError
from quarry.trajectory.journal import decode_line, encode_line
from quarry.trajectory.space import disk_named

FORMAT_VERSION = 1


@dataclass(frozen=True)
class CostHistory:
    """What a log holds.

    Args:
        records: the last reading of every attempt, in order of their first.
        n_skipped: lines that can't be read.
        problem: why the whole log can't be read; empty where it can.
    """

    records: tuple[CostRecord, ...] = ()
    n_skipped: int = 0
    problem: str = ""

    @property
    def remark(self) -> str:
        """What a person should know of the log, as a sentence; empty where nothing is wrong."""
        if self.problem:
            return (
                f"The log of costs can't be read, so nothing is estimated from it: {self.problem}"
            )
        if self.n_skipped:
            noun = "line was" if self.n_skipped == 1 else "lines were"
            return f"{self.n_skipped} damaged {noun} skipped in the log of costs."
        return ""


class CostLog:
    """The log of one data directory, for any number of processes.

    Args:
        path: the log; made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: CostRecord) -> None:
        """Add a record, which then survives whatever becomes of this process.

        The last reading of an attempt survives a loss of power, too; for the others a sync would
        only take time from the collection.

        Raises:
            StorageFullError: there is no room.
            DiskError: the operating system refuses otherwise.
        """
        line = encode_line({"format_version": FORMAT_VERSION, **record.as_dict()})
        with disk_named(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+", buffering=0) as file:
                with contextlib.suppress(OSError):  # some network file systems have no locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                _write(file, line if _ends_a_line(file) else b"\n" + line)
                if record.outcome != "running":
                    os.fdatasync(file.fileno())

    def read(self) -> CostHistory:
        """All that can be read; nothing is raised, since an estimate is worth no failure."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return CostHistory()
        except OSError as error:
            return CostHistory(problem=error.strerror or str(error))
        latest: dict[str, CostRecord] = {}
        n_skipped = 0
        for line in filter(None, lines):
            record = _record(line)
            if record is None:
                n_skipped += 1
            else:
                latest[record.attempt] = record
        return CostHistory(tuple(latest.values()), n_skipped)


@lru_cache(maxsize=1 << 16)
def _record(line: bytes) -> CostRecord | None:
    """The record of a line, which never changes; None if it can't be read."""
    try:
        values = decode_line(line)
        if values is None or values["format_version"] != FORMAT_VERSION:
            return None
        return CostRecord.from_dict(values)
    except (ValueError, KeyError, TypeError, QuarryError):
        return None


def _ends_a_line(file: BinaryIO) -> bool:
    """Whether the next line can begin right away."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _write(file: BinaryIO, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[file.write(data) :]
