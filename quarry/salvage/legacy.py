"""Rows of a damaged file of an older pipeline, and the file that keeps the whole ones.

Runs in the guarded child only. Chunks may be shared by many samples and compressed, so states are
read in slabs in the order of the chunks; memory is bounded by one slab. The new file has the old
datasets, one sample a chunk, no filter, and `original_rows`: where each row was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from quarry.errors import READ_ERRORS, TrajectoryFormatError
from quarry.salvage.chunks import StoredChunks
from quarry.salvage.rows import has_hole, text_of
from quarry.salvage.tell import Teller, reason_of
from quarry.trajectory.attributes import PARTIAL_OF
from quarry.trajectory.columns import dataset, length_bytes
from quarry.trajectory.digest_table import DigestTable
from quarry.trajectory.digests import row_digest
from quarry.trajectory.layout import (
    LENGTH_DTYPE,
    PROMPTS,
    SEQUENCE_LENGTHS,
    STATE_DTYPE,
    TEXTS,
    TRAJECTORIES,
    States,
    chunk_tokens,
)
from quarry.trajectory.scan import SampleScan
from quarry.trajectory.space import full_disk_named, require_space

ORIGINAL_ROWS = "original_rows"
_SLAB_BYTES = 16 << 20


@dataclass
class _Row:
    """One row under examination."""

    length: int
    texts: dict[str, str]
    scan: SampleScan = field(default_factory=SampleScan)
    has_hole: bool = False
    failure: str | None = None

    def add(self, states: States) -> None:
        """Look at its next token rows."""
        self.scan.add(states)
        self.has_hole = self.has_hole or has_hole(states)


class LegacyRows:
    """The rows of a file of an older pipeline.

    Args:
        file: the file, open.
        where: its name, for messages.
        size_bytes: how long it is on disk.
        table: what its rows must be, where it was adopted and that is known.

    Raises:
        QuarryError: datasets are lost, so no row can be read.
    """

    def __init__(
        self, file: h5py.File, where: str, size_bytes: int, table: DigestTable | None
    ) -> None:
        self.where = where
        self._file = file
        self._states = dataset(file, TRAJECTORIES)
        if len(self._states.shape) != 4 or self._states.dtype != STATE_DTYPE:
            raise TrajectoryFormatError(
                "The activations are of another type",
                where=f"{where}, {TRAJECTORIES}",
                expected="float16 with 4 axes",
                got=f"{self._states.dtype} of shape {self._states.shape}",
                fix="read the file with plain h5py",
            )
        self._lengths = dataset(file, SEQUENCE_LENGTHS)
        self._texts = {name: dataset(file, name) for name in TEXTS}
        self.table = table
        self._chunks = None if table else StoredChunks(self._states, size_bytes)

    @property
    def n_rows(self) -> int:
        """Rows that the file was made for."""
        return int(self._states.shape[0])

    def survey(self, candidates: Iterable[int], kept: Sequence[int], teller: Teller) -> None:
        """Tell of each row whether it is whole.

        Args:
            candidates: the rows in question.
            kept: not needed: rows have no ids that could be there twice.
            teller: takes the verdicts.
        """
        del kept
        found: dict[int, _Row] = {}
        for row in candidates:
            teller.at(row, row)
            try:
                found[row] = self._read_columns(row)
            except READ_ERRORS as error:
                teller.lost(row, self._id_of(row), reason_of(error))
        for block in self._blocks(list(found)):
            teller.at(block[0], block[-1])
            rows = {row: found.pop(row) for row in block}
            self._scan(rows)
            for row, one in rows.items():
                reason = one.failure or self._defect(row, one)
                if reason is None:
                    teller.kept([row])
                else:
                    teller.lost(row, self._id_of(row), reason)

    def write(
        self, rows: Sequence[int], output: Path, teller: Teller, columns: Sequence[str]
    ) -> None:
        """Write rows that are whole into a new file.

        Args:
            rows: their positions.
            output: a new path.
            teller: hears which rows are being copied.
            columns: further datasets with one entry a row.

        Raises:
            StorageFullError: there is no room.
        """
        lengths = {row: int(self._lengths[row]) for row in rows}
        _, max_seq_len, n_layers, d_model = self._states.shape
        require_space(output, sum(lengths.values()) * n_layers * d_model * STATE_DTYPE.itemsize)
        with full_disk_named(output), h5py.File(output, "w-") as made:
            self._write_attributes(made, len(rows))
            self._write_columns(made, rows, lengths, columns)
            shape = (len(rows), max_seq_len, n_layers, d_model)
            chunk = (1, chunk_tokens(max_seq_len, n_layers, d_model), n_layers, d_model)
            states = made.create_dataset(TRAJECTORIES, shape, STATE_DTYPE, chunks=chunk)
            place = {row: index for index, row in enumerate(rows)}
            for block in self._blocks(rows):
                teller.at(block[0], block[-1])
                for start, slab in self._slabs(block, max(lengths[row] for row in block)):
                    for row in block:
                        part = slab[row - block[0], : max(0, lengths[row] - start)]
                        states[place[row], start : start + len(part)] = part

    def _read_columns(self, row: int) -> _Row:
        """Length and texts of a row that may be whole.

        Raises:
            QuarryError, OSError and the like: it is not.
        """
        length = int(self._lengths[row])
        texts = {name: text_of(data[row]) for name, data in self._texts.items()}
        least = 1 if self.table is None else 0
        if not least <= length <= self._states.shape[1]:
            raise ValueError(f"sequence length {length}")
        if self.table is not None:
            return _Row(length, texts)
        if not texts[PROMPTS]:
            raise ValueError("no prompt: never written")
        if self._chunks is not None:
            self._chunks.require(row, length)
        return _Row(length, texts)

    def _id_of(self, row: int) -> str | None:
        """The id that a row was given when the file was adopted."""
        return None if self.table is None else self.table.sample_ids[row]

    def _blocks(self, rows: Sequence[int]) -> Iterator[list[int]]:
        """Rows that share chunks, together."""
        step = self._states.chunks[0] if self._states.chunks else 1
        block: list[int] = []
        for row in sorted(rows):
            if block and row // step != block[0] // step:
                yield block
                block = []
            block.append(row)
        if block:
            yield block

    def _slabs(self, block: Sequence[int], n_tokens: int) -> Iterator[tuple[int, States]]:
        """Token rows of all rows from the first to the last of a block, with their position."""
        step = self._step(block[-1] + 1 - block[0])
        for start in range(0, n_tokens, step):
            end = min(start + step, n_tokens)
            yield start, self._states[block[0] : block[-1] + 1, start:end]

    def _step(self, n_rows: int) -> int:
        """Tokens of a slab of 16 MiB: whole chunks, at least one."""
        chunk = self._states.chunks[1] if self._states.chunks else 1
        shape = self._states.shape
        token_bytes = n_rows * shape[2] * shape[3] * STATE_DTYPE.itemsize
        return max(1, _SLAB_BYTES // (chunk * token_bytes)) * chunk

    def _scan(self, rows: dict[int, _Row]) -> None:
        """Scan the states of rows that share chunks; one by one where a chunk can't be read."""
        block = sorted(rows)
        try:
            for start, slab in self._slabs(block, max(one.length for one in rows.values())):
                for row, one in rows.items():
                    one.add(slab[row - block[0], : max(0, one.length - start)])
        except READ_ERRORS as error:
            if len(block) == 1:
                rows[block[0]].failure = reason_of(error)
                return
            for row, one in rows.items():
                alone = {row: _Row(one.length, one.texts)}
                self._scan(alone)
                rows[row] = alone[row]

    def _defect(self, row: int, one: _Row) -> str | None:
        """Why a row that could be read is not whole."""
        if self.table is not None:
            cells = {name: text.encode("utf-8") for name, text in one.texts.items()}
            cells[SEQUENCE_LENGTHS] = length_bytes(one.length)
            got = row_digest(cells, bytes.fromhex(one.scan.digest))
            is_proven = got == self.table.row_digests[row].tobytes()
            return None if is_proven else "the row is not what its digest says"
        if one.scan.non_finite:
            return f"NaN or infinity in {len(one.scan.non_finite)} token rows"
        zero = len(one.scan.zero) + len(one.scan.zero_layer)
        if zero:
            return f"{zero} token rows are zero, in all layers or in some"
        if one.has_hole:
            return "a run of zeros in the activations: a hole in the file"
        return None

    def _write_attributes(self, made: h5py.File, n_kept: int) -> None:
        """Copy the root attributes that can be read; say what the file is part of."""
        for name in self._file.attrs:
            try:
                made.attrs[name] = self._file.attrs[name]
            except READ_ERRORS:
                continue
        if "n_samples" in made.attrs:
            made.attrs["n_samples"] = n_kept
        made.attrs[PARTIAL_OF] = int(made.attrs.get(PARTIAL_OF, 0)) or self.n_rows

    def _write_columns(
        self, made: h5py.File, rows: Sequence[int], lengths: dict[int, int], columns: Sequence[str]
    ) -> None:
        """Copy everything but the activations: first, so that a cut takes them last."""
        made[ORIGINAL_ROWS] = np.asarray(rows, dtype=np.int64)
        made[SEQUENCE_LENGTHS] = np.asarray([lengths[row] for row in rows], dtype=LENGTH_DTYPE)
        for name, data in self._texts.items():
            texts: Any = np.asarray([text_of(data[row]) for row in rows], dtype=object)
            made.create_dataset(name, data=texts, dtype=h5py.string_dtype("utf-8"))
        for name in columns:
            data = dataset(self._file, name)
            made.create_dataset(name, data=data[:][list(rows)], dtype=data.dtype)
