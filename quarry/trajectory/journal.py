"""`Journal`: which rows of a file that is being written are safe, one line a row, append-only.

A line is written behind its row's bytes, so after a kill every line's row is whole. It carries all
of the row but the activations, and says where in the half-written file those lie, so that they are
read back without HDF5, which refuses such a file. Reading journals is in `kept_rows`.

Source for the comparison with SWMR and a spool: docs/decisions/0008.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from blake3 import blake3

from quarry.errors import StorageFullError
from quarry.trajectory.extents import ExtentRow
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.space import full_disk_named
from quarry.trajectory.staging import JOURNAL_SUFFIX

JOURNAL_VERSION = 1
ROW_FIELDS = tuple(one.name for one in fields(TrajectoryRow) if one.name != "hidden_states")
_DIGEST_CHARACTERS = 32


class Journal:
    """Writes the journal of one staged file and holds its lock: who has it, owns the file.

    Args:
        path: a new file, see `journal_path`.
        header: what the trajectory file has in common.
    """

    def __init__(self, path: Path, header: TrajectoryHeader) -> None:
        self.path = path
        self.n_rows = 0
        self._file = path.open("xb", buffering=0)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(self._file, fcntl.LOCK_EX)  # waits for one who just looks at it
        self._write({"journal_version": JOURNAL_VERSION, "header": asdict(header)})

    def add(
        self, row: TrajectoryRow, extents: Sequence[ExtentRow], states_digest: str, digest: str
    ) -> None:
        """Note a row whose bytes are written.

        Raises:
            StorageFullError: there is no room; the journal is as it was, or its last line is cut.
        """
        values = {name: getattr(row, name) for name in ROW_FIELDS}
        values["token_ids"] = row.token_ids.tolist()
        values |= {"states_digest": states_digest, "row_digest": digest}
        values |= {"n_states": len(row.hidden_states), "ranges": joined_ranges(extents)}
        self._write(values)
        self.n_rows += 1

    def sync(self) -> None:
        """Make the lines so far durable against a loss of power."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Close the journal and give its lock up; a second call does nothing."""
        self._file.close()

    def __del__(self) -> None:
        """A staged file that nobody publishes gives its lock up."""
        with contextlib.suppress(AttributeError):
            self._file.close()

    def remove(self) -> None:
        """Delete the journal: its file was published, or nothing was written."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _write(self, values: dict[str, Any]) -> None:
        """Append a line: digest, space, JSON."""
        line = encode_line(values)
        with full_disk_named(self.path):
            written = self._file.write(line)
        if written != len(line):
            raise StorageFullError(
                "Not enough space to write a journal",
                where=str(self.path),
                expected=f"room for {len(line):,} bytes",
                got=f"{written:,} bytes written",
                fix="free space, then run the partition again",
            )


def journal_path(staged: Path) -> Path:
    """Where the journal of a staged file lies."""
    return staged.with_name(staged.name + JOURNAL_SUFFIX)


def encode_line(values: dict[str, Any]) -> bytes:
    """A line of a journal, with the digest that proves it."""
    text = json.dumps(values, separators=(",", ":")).encode()
    return blake3(text).hexdigest()[:_DIGEST_CHARACTERS].encode() + b" " + text + b"\n"


def decode_line(line: bytes) -> dict[str, Any] | None:
    """The values of a line; None if it was cut or damaged."""
    digest, _, text = line.rstrip(b"\n").partition(b" ")
    if blake3(text).hexdigest()[:_DIGEST_CHARACTERS].encode() != digest:
        return None
    values: dict[str, Any] = json.loads(text)
    return values


def joined_ranges(extents: Sequence[ExtentRow]) -> list[tuple[int, int]]:
    """Byte ranges `(start, size)` of a row's chunks in order of its tokens, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for start, size, *_ in extents:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((start, size))
    return joined
