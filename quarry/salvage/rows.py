"""Rows of a damaged file of our own format: read one by one, each proven or judged.

Runs in the guarded child only. Files of the older pipelines are in `legacy`; how the child
is asked is in `child`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from quarry.errors import READ_ERRORS, IntegrityError
from quarry.findings import Finding
from quarry.salvage.chunks import StoredChunks
from quarry.salvage.tell import Teller, reason_of
from quarry.trajectory.attributes import parse_header
from quarry.trajectory.columns import dataset
from quarry.trajectory.digest_table import DigestTable, read_table
from quarry.trajectory.digests import row_digest
from quarry.trajectory.layout import (
    EXEMPLAR_IDS,
    FINISH_REASONS,
    GROUND_TRUTH,
    IDS,
    LENGTH_DTYPE,
    MODEL_OUTPUTS,
    OUTPUT_LENGTHS,
    PROMPT_LENGTHS,
    PROMPTS,
    SAMPLE_LENGTHS,
    SAMPLE_TEXTS,
    SEQUENCE_LENGTHS,
    TEXTS,
    TOKEN_IDS,
    TOKEN_OFFSETS,
    TRAJECTORIES,
    States,
    TrajectoryRow,
)
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import CHUNKS_INTACT
from quarry.trajectory.row_rules import checked_scan
from quarry.trajectory.row_store import row_cells
from quarry.trajectory.writer import TrajectoryWriter

_HOLE_NUMBERS = 128
_REASONS = ("stop", "length")


class OwnRows:
    """The rows of a file of our own format.

    Args:
        file: the file, open.
        where: its name, for messages.
        size_bytes: how long it is on disk.
        table: what its rows must be, where that is known.

    Raises:
        QuarryError: header or datasets are lost, so no row can be read.
    """

    def __init__(
        self, file: h5py.File, where: str, size_bytes: int, table: DigestTable | None
    ) -> None:
        self.where = where
        self.header = parse_header(dict(file.attrs), where)
        names = (*TEXTS, *SAMPLE_TEXTS, *SAMPLE_LENGTHS, SEQUENCE_LENGTHS, TOKEN_IDS, TOKEN_OFFSETS)
        self._columns = {name: dataset(file, name) for name in names}
        self._states = dataset(file, TRAJECTORIES)
        self._table = table
        self._chunks = None if table else StoredChunks(self._states, size_bytes)
        self._seen: set[str] = set()

    @property
    def n_rows(self) -> int:
        """Rows that the file was made for."""
        return self.header.n_samples

    def survey(self, candidates: Iterable[int], kept: Sequence[int], teller: Teller) -> None:
        """Tell of each row whether it is whole.

        Args:
            candidates: the rows in question.
            kept: rows that are known to be whole already.
            teller: takes the verdicts.
        """
        self._seen = {self._text(IDS, row) for row in kept}
        for row in candidates:
            teller.at(row, row)
            try:
                self._prove(row)
            except READ_ERRORS as error:
                teller.lost(row, self._id_of(row), reason_of(error))
            else:
                teller.kept([row])

    def write(self, rows: Sequence[int], output: Path, teller: Teller) -> Manifest:
        """Write rows that are whole into a new file; returns its manifest.

        Raises:
            IntegrityError: they are not what they were when they were proven.
        """
        of = self.header.partial_of or self.n_rows
        header = replace(self.header, n_samples=len(rows), partial_of=of)
        with TrajectoryWriter(output, header) as writer:
            for row in rows:
                teller.at(row, row)
                writer.append(self._read(row))
            manifest = writer.finish().manifest
        if self._table is not None:
            made = read_table(output, manifest.digests).row_digests
            if not np.array_equal(made, self._table.row_digests[rows]):
                raise _changed(self.where)
        return manifest

    def _prove(self, row: int) -> None:
        """Read a row and compare it with its digest, or judge it where there is none.

        Raises:
            QuarryError, OSError and the like: it is not whole.
        """
        found = self._read(row)
        scan = checked_scan(found, self.header, self.where)
        if self._table is not None:
            got = row_digest(row_cells(found), bytes.fromhex(scan.digest))
            if got != self._table.row_digests[row].tobytes():
                raise ValueError("the row is not what its digest says")
            return
        if has_hole(found.hidden_states):
            raise ValueError("a run of zeros in the activations: a hole in the file")
        if found.sample_id in self._seen:
            raise ValueError(f"the id {found.sample_id} is there twice")
        self._seen.add(found.sample_id)

    def _read(self, row: int) -> TrajectoryRow:
        """Everything that is stored of one row."""
        start, end = (int(value) for value in self._columns[TOKEN_OFFSETS][row : row + 2])
        n_states = int(self._columns[SEQUENCE_LENGTHS][row])
        if not 0 <= start <= end <= self._columns[TOKEN_IDS].shape[0]:
            raise ValueError(f"token offsets {start} to {end}")
        if not 1 <= n_states <= self.header.max_seq_len:
            raise ValueError(f"sequence length {n_states}: never written")
        if self._chunks is not None:
            self._chunks.require(row, n_states)
        reason = self._text(FINISH_REASONS, row)
        if reason not in _REASONS:
            raise ValueError(f"finish reason {reason!r}")
        return TrajectoryRow(
            sample_id=self._text(IDS, row),
            prompt=self._text(PROMPTS, row),
            model_output=self._text(MODEL_OUTPUTS, row),
            ground_truth=self._text(GROUND_TRUTH, row),
            hidden_states=self._states[row, :n_states],
            prompt_length=int(self._columns[PROMPT_LENGTHS][row]),
            output_length=int(self._columns[OUTPUT_LENGTHS][row]),
            token_ids=self._columns[TOKEN_IDS][start:end].astype(LENGTH_DTYPE),
            finish_reason=reason,
            exemplar_ids=tuple(json.loads(self._text(EXEMPLAR_IDS, row))),
        )

    def _text(self, name: str, row: int) -> str:
        """One text."""
        return text_of(self._columns[name][row])

    def _id_of(self, row: int) -> str | None:
        """The id of a row that is lost, if that can still be had."""
        if self._table is not None:
            return self._table.sample_ids[row]
        try:
            return self._text(IDS, row) or None
        except READ_ERRORS:
            return None


def text_of(raw: Any) -> str:
    """A string as HDF5 gives it."""
    return raw.decode("utf-8") if isinstance(raw, bytes) else str(raw)


def has_hole(states: States) -> bool:
    """Whether 256 bytes of activations in a row are zero, which a model never makes.

    Interrupted parallel downloads leave holes of 4 KiB in the middle of chunks.

    Args:
        states: `(n_tokens, n_layers, d_model)` float16.
    """
    bits = np.ascontiguousarray(states).view(np.uint16).reshape(-1)
    whole = bits[: len(bits) // _HOLE_NUMBERS * _HOLE_NUMBERS].reshape(-1, _HOLE_NUMBERS)
    return bool((whole.max(axis=1, initial=0) == 0).any())


def _changed(where: str) -> IntegrityError:
    """The error for rows that read differently a second time."""
    found = Finding(
        check=CHUNKS_INTACT,
        kind="read_differs",
        what="Rows read differently when they were read again",
        where=where,
        expected="the rows that the table of digests proved",
        got="others",
        cure="check memory and disk of this machine, then salvage again",
    )
    return IntegrityError("A salvaged row changed while it was copied", where=where,
                          findings=[found])  # fmt: skip
