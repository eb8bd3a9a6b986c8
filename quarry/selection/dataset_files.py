"""A stratified dataset on disk: a JSON list and a Parquet file of the same rows beside each other.

Every row has every field; what is not known is null.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quarry.errors import QuarryError, UsageError
from quarry.selection.columns import DATASET_COLUMNS, FLAGS, records_of, table_of
from quarry.selection.row_files import FileRow, read_rows
from quarry.tables import write_table, write_whole
from quarry.trajectory.space import disk_named

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_EXACT: Final = 2**53
"""Whole numbers up to here are exact as floats, and so may be written as integers."""


@dataclass(frozen=True)
class DatasetFiles:
    """Where a dataset is: two files of one name."""

    json: Path
    parquet: Path


def dataset_files(path: Path) -> DatasetFiles:
    """Both files of a dataset, of which `path` names one.

    Raises:
        UsageError: it ends neither in `.json` nor in `.parquet`.
    """
    if path.suffix not in {".json", ".parquet"}:
        raise UsageError(
            "A dataset can't have this name",
            where=str(path),
            expected="a name that ends in .json or .parquet; the other file lies beside it",
            got=f"the ending {path.suffix!r}",
            fix="correct the name",
        )
    return DatasetFiles(path.with_suffix(".json"), path.with_suffix(".parquet"))


def write_dataset(rows: pd.DataFrame, path: Path) -> DatasetFiles:
    """Write a dataset, each of both files whole or not at all.

    Args:
        rows: with the columns of a dataset; further ones are written, too.
        path: of one of the files.

    Raises:
        UsageError: it ends neither in `.json` nor in `.parquet`.
        StorageFullError: the disk is full; the file being written is as it was before.
        DiskError: it can't be written there for another reason.
    """
    files = dataset_files(path)
    columns = dict.fromkeys([*DATASET_COLUMNS, *rows.columns])
    frame = table_of(records_of(rows), columns)
    text = _json(frame)
    with disk_named(path):
        write_whole(files.json, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        write_table(frame, files.parquet)
    return files


def read_dataset(path: Path) -> pd.DataFrame:
    """The rows of a dataset, from either of its files.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it can't be read, or its rows are no dataset's.
    """
    rows = read_rows(path)
    if not rows and path.suffix == ".parquet":
        return table_of([], DATASET_COLUMNS)
    for row in rows:
        _require_fields(row)
    names = dict.fromkeys([*DATASET_COLUMNS, *(name for row in rows for name in row.fields)])
    return table_of((row.fields for row in rows), names)


def is_dataset(path: Path) -> bool:
    """Whether a file is a dataset of ours; an empty list is one, too."""
    try:
        read_dataset(path)
    except QuarryError:
        return False
    return True


def _require_fields(row: FileRow) -> None:
    """Refuse a row that lacks a field, or has another kind of value in it.

    Raises:
        RecordError: it does.
    """
    absent = [name for name in DATASET_COLUMNS if name not in row.fields]
    if absent:
        raise row.malformed(absent[0], "every field of a dataset, null where unknown", None)
    row.text("gsm8k_id")
    row.text("question")
    for name in FLAGS:
        row.flag(name)
    if row.number("answer") is None or row.flag("is_existing") is None:
        raise row.malformed("answer", "a number, and is_existing true or false", None)


def _json(frame: pd.DataFrame) -> str:
    """The rows as a JSON list, whole numbers as integers."""
    rows = [{name: _plain(value) for name, value in record.items()} for record in records_of(frame)]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return int(value)
    return value
