"""`ShardJournal`: results of a shard that is being tested, safe from the moment they are added.

Append-only lines with a digest each, like the journal of a trajectory file; the first says how the
problems are tested. What was tested otherwise is never mixed in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from quarry.errors import UsageError
from quarry.necessity.table import COLUMNS, NecessityRow
from quarry.trajectory.journal import decode_line, encode_line
from quarry.trajectory.space import disk_named

JOURNAL_VERSION: Final = 1


class ShardJournal:
    """The journal of one shard; a context manager that holds its lock.

    Args:
        path: its file; made when it is not there.
        method: how the problems are tested, plain JSON. A journal of another method is begun anew.

    Raises:
        UsageError: another process is testing this shard.
        StorageFullError: there is no room.
        DiskError: the operating system refuses otherwise.
    """

    def __init__(self, path: Path, method: Mapping[str, Any]) -> None:
        self.path = path
        self.rows: dict[str, NecessityRow] = {}
        self.n_discarded = 0
        with disk_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+", buffering=0)
        try:
            self._lock()
            with disk_named(path):
                self._take_over({"journal_version": JOURNAL_VERSION, "method": dict(method)})
        except BaseException:
            self._file.close()
            raise

    def add(self, rows: Sequence[NecessityRow]) -> None:
        """Keep rows; they survive a kill and a loss of power once this returns.

        Raises:
            StorageFullError: there is no room; rows added earlier are safe.
            DiskError: the operating system refuses otherwise.
        """
        with disk_named(self.path):
            self._append(b"".join(encode_line({"row": row}) for row in rows))
        self.rows.update((row["gsm8k_id"], row) for row in rows)

    def remove(self) -> None:
        """Delete the journal: its rows are published."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the lock up; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> ShardJournal:
        """The journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal."""
        self.close()

    def _lock(self) -> None:
        """Be the only one who tests this shard."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                "A shard is being tested by another process",
                where=str(self.path),
                expected="one run a shard",
                got="a second one",
                fix="wait for the other run, or end it",
            ) from error
        except OSError:  # some network file systems have no locks
            return

    def _take_over(self, header: dict[str, Any]) -> None:
        """Read what is there if it was made in the same way; else begin anew.

        What stands behind the last whole line is cut off, so that the next line begins on its own.
        """
        self._file.seek(0)
        data = self._file.read()
        whole = data[: data.rfind(b"\n") + 1]
        first, *others = [decode_line(line) for line in whole.splitlines()] or [None]
        kept = [cast(NecessityRow, one["row"]) for one in others if one and _is_row(one.get("row"))]
        if first == header:
            self.rows = {row["gsm8k_id"]: row for row in kept}
            self._file.truncate(len(whole))
            return
        self.n_discarded = len(kept)
        self._file.truncate(0)
        self._append(encode_line(header))

    def _append(self, data: bytes) -> None:
        """Write at the end and wait until it is on the disk; nothing is left of a failed write."""
        before = os.fstat(self._file.fileno()).st_size
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
            os.fdatasync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(before)
            raise


def _is_row(value: object) -> bool:
    """Whether a value has the columns of a row."""
    return isinstance(value, dict) and set(cast(dict[str, Any], value)) == set(COLUMNS)
