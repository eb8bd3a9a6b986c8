"""`RowFile`: the HDF5 side of writing: datasets, and how a row is laid into them.

What a row must be, digests, threads and journal are the writer's business.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash
from blake3 import blake3

from quarry.trajectory.attributes import COMPLETE, header_attributes
from quarry.trajectory.columns import length_bytes
from quarry.trajectory.extents import ExtentRow
from quarry.trajectory.layout import (
    EXEMPLAR_IDS,
    FINISH_REASONS,
    GROUND_TRUTH,
    IDS,
    IS_CORRECT,
    LENGTH_DTYPE,
    LIBVER,
    MODEL_OUTPUTS,
    OFFSET_DTYPE,
    OUTPUT_LENGTHS,
    PROMPT_LENGTHS,
    PROMPTS,
    SAMPLE_LENGTHS,
    SAMPLE_TEXTS,
    SAMPLES,
    SEQUENCE_LENGTHS,
    STATE_DTYPE,
    TEXTS,
    TOKEN_IDS,
    TOKEN_OFFSETS,
    TRAJECTORIES,
    States,
    TrajectoryHeader,
    TrajectoryRow,
    storable_text,
)
from quarry.trajectory.space import abandon
from quarry.trajectory.writeback import start_writeback

_TOKENS_PER_CHUNK = 4096
FILE_ID = "file_id"


def create_datasets(
    file: h5py.File, header: TrajectoryHeader, columns: dict[str, h5py.Dataset]
) -> None:
    """Create everything that a file holds, empty, not yet `complete`.

    The group with the file's own id comes first, so that the first 2 KiB of no two files agree
    (see `digests.head_digest`).

    Args:
        file: a new file.
        header: what the whole file has in common.
        columns: takes the datasets by name. They stay open as long as the file: closing one
            flushes it, and where that fails, on a full disk, HDF5 can't be closed any more.
    """
    # Of fixed length: a str would lie in the global heap, beyond the first 2 KiB.
    file.create_group(SAMPLES).attrs[FILE_ID] = np.bytes_(uuid.uuid4().hex)
    file.attrs.update(header_attributes(header) | {COMPLETE: False})
    n, text = (header.n_samples,), h5py.string_dtype("utf-8")
    for name in (*TEXTS, *SAMPLE_TEXTS):
        columns[name] = file.create_dataset(name, shape=n, dtype=text)
    for name in (SEQUENCE_LENGTHS, *SAMPLE_LENGTHS):
        columns[name] = file.create_dataset(name, shape=n, dtype=LENGTH_DTYPE)
    growing: dict[str, Any] = {"maxshape": (None,), "chunks": (_TOKENS_PER_CHUNK,)}
    columns[TOKEN_IDS] = file.create_dataset(TOKEN_IDS, shape=(0,), dtype=LENGTH_DTYPE, **growing)
    columns[TOKEN_OFFSETS] = file.create_dataset(
        TOKEN_OFFSETS, shape=(header.n_samples + 1,), dtype=OFFSET_DTYPE
    )
    file[IS_CORRECT] = h5py.ExternalLink(header.labels_link, f"/{IS_CORRECT}")
    columns[TRAJECTORIES] = file.create_dataset(
        TRAJECTORIES, shape=header.shape, dtype=STATE_DTYPE, chunks=header.chunk_shape
    )


class RowFile:
    """An HDF5 file that is being written; every method is called by one thread.

    Args:
        path: a new file.
        header: what the whole file has in common.
    """

    def __init__(self, path: Path, header: TrajectoryHeader) -> None:
        self.path = path
        self._header = header
        self._columns: dict[str, h5py.Dataset] = {}
        self._n_tokens = 0
        self._tokens = np.zeros(_TOKENS_PER_CHUNK, dtype=LENGTH_DTYPE)
        self._file = h5py.File(path, "w-", libver=LIBVER)
        try:
            create_datasets(self._file, header, self._columns)
            # Only a flush gives the header its place; left to the close, that is the file's end,
            # the first that a truncation takes.
            self._file.flush()
        except BaseException:
            self.abandon()
            raise

    def write(self, index: int, row: TrajectoryRow, blocks: Sequence[bytes]) -> list[ExtentRow]:
        """Write one row: text and tokens, then the activations.

        Args:
            index: its position.
            row: what was checked already.
            blocks: digests of its blocks of states; a full chunk holds one, so that it need not be
                hashed again.

        Returns:
            The extents of its chunks.
        """
        for name, text in row_texts(row).items():
            self._columns[name][index] = text
        for name, number in row_lengths(row).items():
            self._columns[name][index] = number
        self._write_tokens(index, row)
        return self._write_states(index, row.hidden_states, blocks)

    def sync(self) -> None:
        """Make what was written durable; HDF5's own structures are not complete yet."""
        os.fdatasync(self._descriptor)

    def finish(self) -> None:
        """Mark the file as complete and close it."""
        self._file.attrs[COMPLETE] = True
        self._file.flush()  # a flush may fail and be abandoned, a close may not
        self._file.close()
        self._columns.clear()

    def abandon(self) -> None:
        """Close the file as it is, on a full disk, too; chunks that were written stay in it."""
        abandon(self._file)
        self._columns.clear()

    @property
    def _descriptor(self) -> int:
        """The file's descriptor."""
        return int(self._file.id.get_vfd_handle())

    def _write_tokens(self, index: int, row: TrajectoryRow) -> None:
        """Append the row's token ids to the flat column.

        Chunks are written at once and again with the next row: left to HDF5's cache they would be
        the last bytes of the file, the first that a truncation takes.
        """
        tokens = np.ascontiguousarray(row.token_ids, dtype=LENGTH_DTYPE)
        column = self._columns[TOKEN_IDS]
        column.resize((self._n_tokens + len(tokens),))
        while len(tokens):
            filled = self._n_tokens % _TOKENS_PER_CHUNK
            part, tokens = np.split(tokens, [_TOKENS_PER_CHUNK - filled])
            self._tokens[filled : filled + len(part)] = part
            self._tokens[filled + len(part) :] = 0
            column.id.write_direct_chunk((self._n_tokens - filled,), self._tokens)
            self._n_tokens += len(part)
        self._columns[TOKEN_OFFSETS][index + 1] = self._n_tokens

    def _write_states(self, index: int, states: States, blocks: Sequence[bytes]) -> list[ExtentRow]:
        """Write the chunks of one sample, past HDF5's chunk cache; the last is padded with zeros.

        Direct chunk writes made 297 MB/s of 449 MB/s raw where assignment made 227.
        """
        column, chunk = self._columns[TRAJECTORIES], self._header.chunk_shape
        states = np.ascontiguousarray(states, dtype=STATE_DTYPE)
        tokens = range(0, len(states), chunk[1])
        digests: list[tuple[int, bytes]] = []
        for token, block in zip(tokens, blocks, strict=True):
            piece = states[token : token + chunk[1]]
            is_full = len(piece) == chunk[1]
            if not is_full:
                piece = np.concatenate([piece, np.zeros_like(piece, shape=chunk[1:])])[: chunk[1]]
            data = piece.reshape(-1).view(np.uint8).data
            column.id.write_direct_chunk((index, token, 0, 0), piece)
            digest = block if is_full else blake3(data).digest()
            digests.append((xxhash.xxh3_64_intdigest(data), digest))
        size = self._header.token_bytes * chunk[1]
        starts = self._chunk_starts(index, tokens, size)
        start_writeback(self._descriptor, starts[0], starts[-1] + size - starts[0])
        return [
            (start, size, index, token, *both)
            for start, token, both in zip(starts, tokens, digests, strict=True)
        ]

    def _chunk_starts(self, index: int, tokens: range, size: int) -> list[int]:
        """Where the chunks of a row lie in the file.

        HDF5 needs up to a millisecond to say where one is, so only first and last are asked for: as
        file space only grows here, chunks that span exactly their own size lie one by one.
        """
        column = self._columns[TRAJECTORIES]

        def start_of(token: int) -> int:
            """Byte offset of one chunk."""
            return column.id.get_chunk_info_by_coord((index, token, 0, 0)).byte_offset

        first, last = start_of(tokens[0]), start_of(tokens[-1])
        if last - first == (len(tokens) - 1) * size:
            return list(range(first, last + 1, size))
        return [start_of(token) for token in tokens]


def row_texts(row: TrajectoryRow) -> dict[str, str]:
    """The row's texts by dataset, as they can be stored."""
    texts = {
        PROMPTS: row.prompt,
        MODEL_OUTPUTS: row.model_output,
        GROUND_TRUTH: row.ground_truth,
        IDS: row.sample_id,
        FINISH_REASONS: row.finish_reason,
        EXEMPLAR_IDS: json.dumps(list(row.exemplar_ids)),
    }
    return {name: storable_text(text) for name, text in texts.items()}


def row_lengths(row: TrajectoryRow) -> dict[str, int]:
    """The row's lengths by dataset."""
    return {
        SEQUENCE_LENGTHS: len(row.hidden_states),
        PROMPT_LENGTHS: row.prompt_length,
        OUTPUT_LENGTHS: row.output_length,
    }


def row_cells(row: TrajectoryRow) -> dict[str, bytes]:
    """The row's columns as bytes, as digests take them; equal to `Columns.cells_of`."""
    cells = {name: text.encode("utf-8") for name, text in row_texts(row).items()}
    cells |= {name: length_bytes(length) for name, length in row_lengths(row).items()}
    return cells | {TOKEN_IDS: np.ascontiguousarray(row.token_ids, dtype=LENGTH_DTYPE).tobytes()}
