"""`TrajectoryWriter`: writes one trajectory file row by row, into staging.

The caller's thread checks and hashes a row, a second one writes it, so that disk and model work
side by side. A row's text, lengths and tokens go to the file just before its activations, so that a
file cut short has whatever rows it has whole. What a row must be is in `row_rules`, the HDF5 side
in `row_store`; giving the file its final name is `publication`'s business.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from quarry.errors import TrajectoryFormatError, UsageError
from quarry.trajectory.digest_table import DigestTable, digest_array, write_table
from quarry.trajectory.digests import (
    HEAD_BYTES,
    ColumnDigest,
    content_digest,
    head_digest,
    row_digest,
)
from quarry.trajectory.extents import ExtentRow, cover_file, make_extents
from quarry.trajectory.journal import Journal, journal_path
from quarry.trajectory.layout import FORMAT_VERSION, TRAJECTORIES, TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.row_rules import checked_scan
from quarry.trajectory.row_store import RowFile, row_cells
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import StagedFile
from quarry.trajectory.write_thread import WriteThread

SYNC_EVERY_S = 5.0


class TrajectoryWriter:
    """Writes one file; a context manager.

    Leaving its block before `finish` removes the file, unless it keeps a journal and has rows:
    then file and journal stay, and `kept_rows` reads them back.

    Memory is bounded by four rows: one being checked, two waiting, one being written.

    Args:
        path: where to write; below the staging directory, see `staging.staging_path`.
        header: what the whole file has in common.
        expected_tokens: token rows that will be written in all, where the caller knows; room for
            them is asked for before anything is written.
        is_durable: keep a journal, so that every row survives what becomes of this process.

    Raises:
        UsageError: the path exists.
        StorageFullError: there is no room for the file.
    """

    def __init__(
        self,
        path: Path,
        header: TrajectoryHeader,
        *,
        expected_tokens: int | None = None,
        is_durable: bool = False,
    ) -> None:
        self.path = path
        self.header = header
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise UsageError(
                "A staged file exists already",
                where=str(path),
                expected="a new path",
                got=f"a file of {path.stat().st_size:,} bytes",
                fix="ask staging_path for a new one",
            )
        require_space(path, (expected_tokens or header.max_seq_len) * header.token_bytes)
        self._is_durable = is_durable
        self._file: RowFile | None = None
        self._journal: Journal | None = None
        self._thread: WriteThread | None = None
        self._synced_at = time.monotonic()
        self._rows: dict[str, bytes] = {}
        self._states_digests: list[bytes] = []
        self._extents: list[ExtentRow] = []
        self._digests: dict[str, ColumnDigest] = {}
        self._staged: StagedFile | None = None

    def __enter__(self) -> Self:
        """Create the file."""
        try:
            with full_disk_named(self.path):
                self._file = RowFile(self.path, self.header)
                if self._is_durable:
                    self._journal = Journal(journal_path(self.path), self.header)
        except BaseException:
            self._discard()
            raise
        self._thread = WriteThread(f"writer of {self.path.name}", self._sync)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file unless it was finished and the block ended well, or has kept rows."""
        if error is not None or self._staged is None:
            self._discard()
        else:
            self._thread = self._journal = None  # the staged file alone holds the lock now

    @property
    def n_rows(self) -> int:
        """Rows accepted so far."""
        return len(self._rows)

    def append(self, row: TrajectoryRow) -> None:
        """Check a row and have it written; its hidden states may not be changed afterwards.

        Raises:
            TrajectoryFormatError: its shape, dtype, lengths or id are wrong.
            IntegrityError: its hidden states are not finite, zero or otherwise no states.
            StorageFullError: there is no room for it, or for a row before it.
        """
        if self.n_rows == self.header.n_samples:
            raise self._wrong("A file is full already", f"{self.n_rows} rows", "one more")
        if row.sample_id in self._rows:
            raise self._wrong("A sample is there twice", "a new sample id", repr(row.sample_id))
        thread = self._open_thread()
        scan = checked_scan(row, self.header, str(self.path))
        require_space(self.path, row.hidden_states.nbytes)
        cells, states_digest = row_cells(row), bytes.fromhex(scan.digest)
        digest = row_digest(cells, states_digest)
        thread.put(partial(self._write, self.n_rows, row, scan.blocks, states_digest, digest))
        for name, cell in (*cells.items(), (TRAJECTORIES, states_digest)):
            self._digests.setdefault(name, ColumnDigest()).add(cell)
        self._rows[row.sample_id] = digest
        self._states_digests.append(states_digest)

    def finish(self) -> StagedFile:
        """Close the file, describe it, and write its table of digests beside it.

        Raises:
            TrajectoryFormatError: rows are missing.
            StorageFullError: there was no room for the last bytes.
        """
        if self.n_rows != self.header.n_samples:
            raise self._wrong(
                "A trajectory file lacks rows", f"{self.header.n_samples}", f"{self.n_rows} rows"
            )
        self._open_thread().close()
        assert self._file is not None
        with full_disk_named(self.path):
            self._sync()  # kept rows are removed once theirs are here
            self._file.finish()
            self._file = None
            self._staged = StagedFile(self.path, self._describe(), self._journal)
        return self._staged

    def _write(
        self,
        index: int,
        row: TrajectoryRow,
        blocks: list[bytes],
        states_digest: bytes,
        digest: bytes,
    ) -> None:
        """Write a row and note it in the journal; runs in the writing thread."""
        assert self._file is not None
        with full_disk_named(self.path):
            extents = self._file.write(index, row, blocks)
        self._extents += extents
        if self._journal is not None:
            self._journal.add(row, extents, states_digest.hex(), digest.hex())
            if time.monotonic() - self._synced_at > SYNC_EVERY_S:
                self._sync()

    def _sync(self) -> None:
        """Make the rows so far durable against a loss of power; runs in the writing thread."""
        if self._journal is not None and self._file is not None:
            with full_disk_named(self.path):
                self._file.sync()
                self._journal.sync()
        self._synced_at = time.monotonic()

    def _describe(self) -> Manifest:
        """Describe the closed file: digests of the rows as given, and of the bytes between."""
        datasets = {name: digest.hex() for name, digest in sorted(self._digests.items())}
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        table = DigestTable(
            cover_file(self.path, make_extents(self._extents)),
            tuple(self._rows),
            digest_array(self._states_digests),
            digest_array(list(self._rows.values())),
        )
        return Manifest(
            format_version=FORMAT_VERSION,
            file=self.path.name,
            size_bytes=self.path.stat().st_size,
            blake3="",
            head_digest=head_digest(head),
            content_digest=content_digest(self.header, datasets),
            digests=write_table(self.path, table),
            chunk=self.header.chunk_shape,
            n_samples=self.n_rows,
            datasets=datasets,
            rules_version="",
            origin="salvaged" if self.header.partial_of else "collected",
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _open_thread(self) -> WriteThread:
        """The thread of an open writer."""
        if self._thread is None or self._file is None:
            raise UsageError(
                "A trajectory writer is not open",
                where=str(self.path),
                expected="use inside its `with` block, before finish()",
                got="a closed writer",
                fix="correct the caller",
            )
        return self._thread

    def _discard(self) -> None:
        """Close the file, even on a full disk; remove it unless its rows can be read back."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(Exception):  # the block ends with an error of its own
                thread.close()
        file, self._file = self._file, None
        if file is not None:
            file.abandon()
        if self._journal is not None and self._journal.n_rows:
            self._journal.close()
            return
        if self._journal is not None:
            self._journal.remove()
        self.path.unlink(missing_ok=True)

    def _wrong(self, what: str, expected: str, got: str) -> TrajectoryFormatError:
        """The error for rows that don't make up the file."""
        return TrajectoryFormatError(
            what,
            where=str(self.path),
            expected=expected,
            got=got,
            fix="correct the collector; nothing is published",
        )
