"""Reads the items that a new dataset must keep, and lists of questions that are not to be tested.

Items come from the older pipeline's list (`llama_cot_all.json`) or from an earlier dataset of ours.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.errors import RecordError
from quarry.selection.columns import DATASET_COLUMNS, FLAGS, table_of
from quarry.selection.gold import with_gold
from quarry.selection.questions import same_question_key
from quarry.selection.row_files import FileRow, read_rows

if TYPE_CHECKING:
    import pandas as pd

    from quarry.samples import Sample

CLEAN_VARIANT = "clean"
"""Of a pair, the variant with GSM8K's own question; the `corrupted` one has another answer."""


def read_existing(path: Path, samples: Iterable[Sample] = ()) -> pd.DataFrame:
    """The items of a file, one row each, marked as existing.

    Rows with a `variant` count only where it is `clean`. An item without `gsm8k_id` is called
    `existing_<pair_id>`.

    Args:
        path: JSON, JSON lines or Parquet.
        samples: of GSM8K; they give solution and source to items that have none, by the question.

    Returns:
        A table with the dataset's columns, then all others that the file has.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it can't be read, a row is malformed, or two have the same id or question.
    """
    rows = [
        row
        for row in read_rows(path)
        if row.fields.get("variant", CLEAN_VARIANT) in {None, CLEAN_VARIANT}
    ]
    records = [_record(row) for row in rows]
    for name, key in (("gsm8k_id", str), ("question", same_question_key)):
        _require_unique(rows, records, name, [key(record[name]) for record in records])
    ours = {*DATASET_COLUMNS, "variant", "pair_id"}
    names = dict.fromkeys(name for row in rows for name in row.fields)
    columns = [*DATASET_COLUMNS, *(name for name in names if name not in ours)]
    return with_gold(table_of(records, columns), samples)


def read_questions(path: Path) -> tuple[str, ...]:
    """The questions of any JSON, JSON-lines or Parquet file, each once, in the order of the file.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it can't be read, or a row has no question.
    """
    return tuple(dict.fromkeys(row.text("question") for row in read_rows(path)))


def _record(row: FileRow) -> dict[str, Any]:
    """An item as its row has it, checked."""
    steps = row.number("reasoning_steps")
    if steps is not None and (steps < 0 or not steps.is_integer()):
        raise row.malformed("reasoning_steps", "a number of steps", steps)
    return {
        **row.fields,
        "gsm8k_id": _id(row),
        "question": row.text("question"),
        **{name: row.flag(name) for name in FLAGS},
        **{
            name: row.number(name)
            for name in ("answer", "baseline_prediction", "ablated_prediction")
        },
        **{
            name: None if row.fields.get(name) is None else row.text(name)
            for name in ("full_solution", "source", "difficulty")
        },
        "reasoning_steps": None if steps is None else int(steps),
        "is_existing": True,
    }


def _id(row: FileRow) -> str:
    if row.fields.get("gsm8k_id") is not None:
        return row.text("gsm8k_id")
    pair = row.number("pair_id")
    if pair is None or not pair.is_integer():
        raise row.malformed("gsm8k_id", "an id, or a whole number as pair_id", pair)
    return f"existing_{int(pair)}"


def _require_unique(
    rows: list[FileRow], records: list[dict[str, Any]], name: str, keys: list[str]
) -> None:
    """Refuse two items with the same id or question."""
    first: dict[str, FileRow] = {}
    for row, record, key in zip(rows, records, keys, strict=True):
        if first.setdefault(key, row) is not row:
            raise RecordError(
                f"Two existing items have the same {name}",
                where=f"{first[key].where}, and {row.where}",
                expected=f"each {name} once",
                got=repr(record[name])[:200],
                fix="remove one of them from the file",
            )
