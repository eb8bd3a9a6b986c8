"""`TrajectoryWriter`: writes one trajectory file row by row, into staging.

A row's text, lengths and tokens go to the file just before its activations, so that a file cut
short has whatever rows it has whole; the older order (all activations, then all text) lost every
text with the last per cent of the bytes. Texts of outputs exist only while collecting, so they
can't all come first. What a row must be is in `row_rules`; giving the file its final name is
`publication`'s business.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np

from quarry.errors import TrajectoryFormatError, UsageError
from quarry.trajectory.attributes import COMPLETE
from quarry.trajectory.columns import length_bytes
from quarry.trajectory.digests import (
    HEAD_BYTES,
    ColumnDigest,
    content_digest,
    file_digest,
    head_digest,
)
from quarry.trajectory.layout import (
    FORMAT_VERSION,
    LENGTH_DTYPE,
    LIBVER,
    OUTPUT_LENGTHS,
    PROMPT_LENGTHS,
    SEQUENCE_LENGTHS,
    TOKEN_IDS,
    TOKEN_OFFSETS,
    TRAJECTORIES,
    TrajectoryHeader,
    TrajectoryRow,
)
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.row_rules import checked_digest
from quarry.trajectory.row_store import create_datasets, row_texts, write_states
from quarry.trajectory.space import abandon, full_disk_named, require_space
from quarry.trajectory.staging import StagedFile


class TrajectoryWriter:
    """Writes one file; a context manager that removes it unless `finish` was reached.

    Memory is bounded by one row and the token ids of one chunk.

    Args:
        path: where to write; below the staging directory, see `staging.staging_path`.
        header: what the whole file has in common.
        expected_tokens: token rows that will be written in all, where the caller knows; room for
            them is asked for before anything is written.

    Raises:
        UsageError: the path exists.
        StorageFullError: there is no room for the file.
    """

    def __init__(
        self, path: Path, header: TrajectoryHeader, *, expected_tokens: int | None = None
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
        self._file: h5py.File | None = None
        self._columns: dict[str, h5py.Dataset] = {}
        self._ids: list[str] = []
        self._known: set[str] = set()
        self._sample_digests: list[str] = []
        self._n_tokens = 0
        self._digests: dict[str, ColumnDigest] = {}
        self._staged: StagedFile | None = None

    def __enter__(self) -> Self:
        """Create the file."""
        try:
            with full_disk_named(self.path):
                self._create()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file unless it was finished and the block ended well."""
        if error is not None or self._staged is None:
            self._discard()

    @property
    def n_rows(self) -> int:
        """Rows written so far."""
        return len(self._ids)

    def append(self, row: TrajectoryRow) -> None:
        """Check a row and write it.

        Raises:
            TrajectoryFormatError: its shape, dtype, lengths or id are wrong.
            IntegrityError: its hidden states are not finite, zero or otherwise no states.
            StorageFullError: there is no room for it.
        """
        if self.n_rows == self.header.n_samples:
            raise self._wrong("A file is full already", f"{self.n_rows} rows", "one more")
        if row.sample_id in self._known:
            raise self._wrong("A sample is there twice", "a new sample id", repr(row.sample_id))
        self._open_file()
        digest = checked_digest(row, self.header, str(self.path))
        require_space(self.path, row.hidden_states.nbytes)
        with full_disk_named(self.path):
            self._write(row, digest)

    def finish(self) -> StagedFile:
        """Close the file and describe it.

        Raises:
            TrajectoryFormatError: rows are missing.
            StorageFullError: there was no room for the last bytes.
        """
        if self.n_rows != self.header.n_samples:
            raise self._wrong(
                "A trajectory file lacks rows", f"{self.header.n_samples}", f"{self.n_rows} rows"
            )
        file = self._open_file()
        with full_disk_named(self.path):
            file.attrs[COMPLETE] = True
            file.flush()  # a flush may fail and be abandoned, a close may not
            file.close()
        self._file = None
        self._columns.clear()
        self._staged = StagedFile(self.path, self._manifest())
        return self._staged

    def _create(self) -> None:
        """Create the file and its datasets."""
        self._file = h5py.File(self.path, "w-", libver=LIBVER)
        create_datasets(self._file, self.header, self._columns)

    def _write(self, row: TrajectoryRow, digest: str) -> None:
        """Write one row: text and tokens, then the activations."""
        index = self.n_rows
        n_states = len(row.hidden_states)
        for name, text in row_texts(row).items():
            self._columns[name][index] = text
            self._digest(name).add(text.encode("utf-8"))
        numbers = {
            SEQUENCE_LENGTHS: n_states,
            PROMPT_LENGTHS: row.prompt_length,
            OUTPUT_LENGTHS: row.output_length,
        }
        for name, number in numbers.items():
            self._columns[name][index] = number
            self._digest(name).add(length_bytes(number))
        self._write_tokens(row)
        write_states(self._columns[TRAJECTORIES], index, row.hidden_states)
        self._digest(TRAJECTORIES).add(bytes.fromhex(digest))
        self._ids.append(row.sample_id)
        self._known.add(row.sample_id)
        self._sample_digests.append(digest)

    def _write_tokens(self, row: TrajectoryRow) -> None:
        """Append the row's token ids to the flat column."""
        tokens = np.ascontiguousarray(row.token_ids, dtype=LENGTH_DTYPE)
        column = self._columns[TOKEN_IDS]
        start, self._n_tokens = self._n_tokens, self._n_tokens + len(tokens)
        column.resize((self._n_tokens,))
        column[start:] = tokens
        self._columns[TOKEN_OFFSETS][self.n_rows + 1] = self._n_tokens
        self._digest(TOKEN_IDS).add(tokens.tobytes())

    def _manifest(self) -> Manifest:
        """Describe the closed file: digests of the rows as given, and of the bytes on disk."""
        datasets = {name: digest.hex() for name, digest in sorted(self._digests.items())}
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        return Manifest(
            format_version=FORMAT_VERSION,
            file=self.path.name,
            size_bytes=self.path.stat().st_size,
            blake3=file_digest(self.path),
            head_digest=head_digest(head),
            content_digest=content_digest(self.header, datasets),
            n_samples=self.n_rows,
            datasets=datasets,
            sample_ids=tuple(self._ids),
            sample_digests=tuple(self._sample_digests),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _digest(self, name: str) -> ColumnDigest:
        """The running digest of a column."""
        return self._digests.setdefault(name, ColumnDigest())

    def _open_file(self) -> h5py.File:
        """The open file."""
        if self._file is None:
            raise UsageError(
                "A trajectory writer is not open",
                where=str(self.path),
                expected="use inside its `with` block, before finish()",
                got="a closed writer",
                fix="correct the caller",
            )
        return self._file

    def _discard(self) -> None:
        """Close and remove the file, even on a full disk."""
        file, self._file = self._file, None
        if file is not None:
            abandon(file)
        self._columns.clear()
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
