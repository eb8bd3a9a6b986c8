"""Further columns of a damaged old file, such as `is_correct`: which of them can be kept.

No digest of a row covers them, and a flipped label is the worst silent error, so a column is kept
whole or not at all: where the file was adopted, only if each of its bytes is proven.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from quarry.errors import READ_ERRORS
from quarry.salvage.legacy import ORIGINAL_ROWS
from quarry.salvage.tell import Teller, reason_of
from quarry.trajectory.chunk_map import read_chunk_map
from quarry.trajectory.digest_table import DigestTable
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.layout import SEQUENCE_LENGTHS, TEXTS, TRAJECTORIES

_KNOWN = (TRAJECTORIES, SEQUENCE_LENGTHS, ORIGINAL_ROWS, *TEXTS)


def further_columns(file: h5py.File) -> list[str]:
    """Names of everything else at the root of a file, in order."""
    return [name for name in file.keys() if name not in _KNOWN]  # noqa: SIM118


def survey_columns(
    file: h5py.File,
    path: Path,
    n_rows: int,
    left_out: list[str],
    table: DigestTable | None,
    teller: Teller,
) -> None:
    """Tell which of the further columns can't be kept.

    Args:
        file: the file, open.
        path: where it lies.
        n_rows: entries that a column has.
        left_out: names that are known to be lost already.
        table: what its bytes must be, where that is known.
        teller: takes the verdicts.
    """
    for name in further_columns(file):
        if name in left_out:
            continue
        teller.at_column(name)
        try:
            reason = _defect(file, name, path, n_rows, table)
        except READ_ERRORS as error:
            reason = reason_of(error)
        if reason is not None:
            teller.left_out(name, reason)


def _defect(
    file: h5py.File, name: str, path: Path, n_rows: int, table: DigestTable | None
) -> str | None:
    """Why a column can't be kept."""
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.shape[:1] != (n_rows,):
        return "not one entry a row"
    _ = data[:]
    if table is None:
        return None
    if data.dtype.hasobject:
        return "no digest covers where its values lie"
    chunks = read_chunk_map(data)
    if not len(chunks.starts):
        return "no digest covers where its values lie"
    starts, ends = table.extents["start"], table.extents["start"] + table.extents["size"]
    touched = np.zeros(len(starts), dtype=bool)
    for start, size in zip(chunks.starts.tolist(), chunks.sizes.tolist(), strict=True):
        touched |= (starts < start + size) & (ends > start)
    if damaged_extents(path, table.extents[touched]):
        return "its bytes are not what they were"
    return None
