"""The datasets of a new file, and how a row's texts and states are laid into them.

The writer decides what is written when; here is only the how.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import h5py
import numpy as np

from quarry.trajectory.attributes import COMPLETE, header_attributes
from quarry.trajectory.layout import (
    EXEMPLAR_IDS,
    FINISH_REASONS,
    GROUND_TRUTH,
    IDS,
    IS_CORRECT,
    LENGTH_DTYPE,
    MODEL_OUTPUTS,
    OFFSET_DTYPE,
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

_TOKENS_PER_CHUNK = 16_384
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


def write_states(column: h5py.Dataset, index: int, states: States) -> None:
    """Write the chunks of one sample, past HDF5's chunk cache; the last one is padded with zeros.

    Direct chunk writes made 297 MB/s of 449 MB/s raw where assignment made 227.
    """
    chunk = column.chunks or column.shape
    states = np.ascontiguousarray(states, dtype=STATE_DTYPE)
    for start in range(0, len(states), chunk[1]):
        piece = states[start : start + chunk[1]]
        if len(piece) < chunk[1]:
            padded = np.zeros(chunk[1:], dtype=STATE_DTYPE)
            padded[: len(piece)] = piece
            piece = padded
        column.id.write_direct_chunk((index, start, 0, 0), piece)
