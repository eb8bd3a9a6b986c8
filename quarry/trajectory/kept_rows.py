"""Rows that an interrupted collection, or salvage, left in staging, and that need not be made anew.

Two kinds of files hold such rows: a half-written file with its journal, and a partial file that was
salvaged from a damaged one. Both are read row by row, each row proven by its digest; a row that
can't be proven is not there. Which rows fit a new collection is `quarry.resumption`'s business.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from quarry.errors import QuarryError, TrajectoryFormatError
from quarry.keys import TrajectoryKey
from quarry.trajectory.digest_table import NO_ROW, DigestTable, read_table, sweep_tables
from quarry.trajectory.digests import StatesDigest, row_digest
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.journal import JOURNAL_VERSION, ROW_FIELDS, decode_line, journal_path
from quarry.trajectory.layout import STATE_DTYPE, States, TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.row_store import row_cells
from quarry.trajectory.staging import is_abandoned, siblings_of, staged_files

CONDEMNED = ".condemned"


class RowSource(Protocol):
    """Rows of one cell, by sample id."""

    @property
    def header(self) -> TrajectoryHeader:
        """What the file that holds them has in common."""
        ...

    @property
    def sample_ids(self) -> Iterable[str]:
        """Ids of the rows that are there."""
        ...

    def row(self, sample_id: str) -> TrajectoryRow | None:
        """A row, proven by its digest; None if it can't be."""
        ...

    def remove(self) -> None:
        """Delete the files: what they held was published."""
        ...


class JournalledFile:
    """The rows of a half-written file; holds the lock of its journal.

    Args:
        staged: the half-written file.
        journal: its journal, open and locked.
    """

    def __init__(self, staged: Path, journal: BinaryIO) -> None:
        self._staged = staged
        self._journal = journal
        lines = [decode_line(line) for line in journal]
        first = lines[0] if lines else None
        if first is None or first.get("journal_version") != JOURNAL_VERSION:
            raise ValueError("no journal of this version")
        self.header = _header(first["header"])
        self._rows = {line["sample_id"]: line for line in lines[1:] if line is not None}
        self._data = staged.open("rb", buffering=0)

    @property
    def sample_ids(self) -> Iterable[str]:
        """Ids of the rows that the journal names."""
        return self._rows.keys()

    def row(self, sample_id: str) -> TrajectoryRow | None:
        """A row, proven by its digest; None if its bytes are not what they were."""
        line = self._rows[sample_id]
        try:
            states = self._states(line)
        except OSError:  # a bad sector
            return None
        if states is None:
            return None
        values = {name: line[name] for name in ROW_FIELDS}
        values["token_ids"] = np.asarray(line["token_ids"], dtype=np.int32)
        values["exemplar_ids"] = tuple(line["exemplar_ids"])
        row = TrajectoryRow(hidden_states=states, **values)
        return row if _proof(row, self.header).hex() == line["row_digest"] else None

    def close(self) -> None:
        """Close both files, which gives the lock up."""
        self._data.close()
        self._journal.close()

    def remove(self) -> None:
        """Delete both files."""
        self._staged.unlink(missing_ok=True)
        Path(self._journal.name).unlink(missing_ok=True)

    def _states(self, line: dict[str, Any]) -> States | None:
        """A row's activations from their byte ranges: `(n_tokens, n_layers, d_model)` float16."""
        shape = (self.header.n_layers, self.header.d_model)
        data = bytearray(sum(size for _, size in line["ranges"]))
        position = 0
        for start, size in line["ranges"]:
            end = position + size
            while position < end:  # one call reads 2 GiB at most
                count = os.preadv(self._data.fileno(), [memoryview(data)[position:end]], start)
                if not count:
                    return None
                position, start = position + count, start + count
        return np.frombuffer(data, dtype=STATE_DTYPE).reshape(-1, *shape)[: line["n_states"]]


class PartialFile:
    """The rows of a salvaged file, which is whole in itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._table: DigestTable = read_table(path, read_manifest(manifest_path(path)).digests)
        # Opened in this process, so what HDF5 itself reads is proven first.
        if damaged_extents(path, self._table.extents[self._table.extents["row"] == NO_ROW]):
            raise TrajectoryFormatError(
                "A salvaged file changed",
                where=str(path),
                expected="the bytes that its table of digests names",
                got="other bytes",
                fix="remove it; its rows are collected again",
            )
        self._reader = TrajectoryReader(path, is_checked=False)  # `row` proves each row
        self.header = self._reader.header

    @property
    def sample_ids(self) -> Iterable[str]:
        """Ids of its rows."""
        return self._reader.sample_ids

    def row(self, sample_id: str) -> TrajectoryRow | None:
        """A row, proven by its digest; None if its bytes are not what they were."""
        try:
            row = self._reader.row(sample_id)
        except (QuarryError, OSError):
            return None
        proof = self._table.row_digests[self._table.rows[sample_id]].tobytes()
        return row if _proof(row, self.header) == proof else None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def remove(self) -> None:
        """Delete it with its manifest and table."""
        self._path.unlink(missing_ok=True)
        manifest_path(self._path).unlink(missing_ok=True)
        sweep_tables(self._path, "")


@contextlib.contextmanager
def kept_rows(data_dir: Path, key: TrajectoryKey) -> Generator[list[RowSource]]:
    """What earlier work left of a cell, newest first; nobody else can have it meanwhile.

    A file that another process is writing is left alone.

    Args:
        data_dir: the platform's data directory.
        key: the grid cell.
    """
    with contextlib.ExitStack() as stack:
        sources: list[RowSource] = []
        for path in staged_files(data_dir, key):
            source = _open(path)
            if source is not None:
                stack.callback(source.close)
                sources.append(source)
        yield sources


def drop_superseded(staged: Path) -> None:
    """Remove a published file's journal, and whatever else its cell had in staging.

    Called after publication; what another process is writing right now stays.
    """
    journal_path(staged).unlink(missing_ok=True)
    for path in siblings_of(staged):
        source = _open(path)
        if source is not None:
            source.remove()
            source.close()
        elif is_abandoned(path.name) and not _is_locked(journal_path(path)):
            # Killed before the first line of its journal was whole: it holds no row.
            path.unlink(missing_ok=True)
            journal_path(path).unlink(missing_ok=True)


def condemn(staged: Path) -> None:
    """Set the journal of a file that failed verification aside: its rows are never used again."""
    journal = journal_path(staged)
    with contextlib.suppress(FileNotFoundError):
        journal.replace(journal.with_name(journal.name + CONDEMNED))


def _open(path: Path) -> JournalledFile | PartialFile | None:
    """The rows of a file in staging, or None if it holds none that can be had."""
    journal = journal_path(path)
    try:
        if not journal.exists():
            return PartialFile(path) if manifest_path(path).exists() else None
        file = journal.open("rb+")  # NFS locks only what is open for writing
    except (OSError, QuarryError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return JournalledFile(path, file)
    except (OSError, ValueError, KeyError, TypeError, QuarryError):
        file.close()
        return None


def _is_locked(journal: Path) -> bool:
    """Whether another process has a journal."""
    try:
        with journal.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _proof(row: TrajectoryRow, header: TrajectoryHeader) -> bytes:
    """The digest of a row as it was read."""
    states = StatesDigest(header.block_tokens)
    states.add(row.hidden_states)
    return row_digest(row_cells(row), states.digest())


def _header(values: dict[str, Any]) -> TrajectoryHeader:
    """A header from plain JSON values."""
    rest = {name: value for name, value in values.items() if name != "layers"}
    return TrajectoryHeader(layers=tuple(values["layers"]), **rest)
