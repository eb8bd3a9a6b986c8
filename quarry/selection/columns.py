"""Columns of a stratified dataset and of what it is chosen from, and tables of them."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from quarry.necessity.table import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

DATASET_COLUMNS: Final = (
    "gsm8k_id",
    "question",
    "answer",
    "full_solution",
    "source",
    "baseline_correct",
    "baseline_prediction",
    "ablated_correct",
    "ablated_prediction",
    "needs_cot",
    "reasoning_steps",
    "difficulty",
    "is_existing",
)
FLAGS: Final = ("baseline_correct", "ablated_correct", "needs_cot", "is_existing")
NUMBERS: Final = ("answer", "baseline_prediction", "ablated_prediction")
_TYPES: Final[dict[str, str]] = (
    dict.fromkeys((*DATASET_COLUMNS, *COLUMNS), "string")
    | dict.fromkeys(FLAGS, "boolean")
    | dict.fromkeys(NUMBERS, "Float64")
    | {"reasoning_steps": "Int64"}
)
"""All of them types in which any value may be missing."""


def table_of(records: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """Records as a table with exactly these columns; what a record lacks is missing in its row."""
    import pandas as pd

    names = list(columns)
    rows = [[record.get(name) for name in names] for record in records]
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    typed = frame.astype({name: _TYPES[name] for name in names if name in _TYPES})
    others = [name for name in names if name not in _TYPES]
    typed[others] = frame[others].convert_dtypes()
    return typed


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as Python's own values; what is missing is None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return cast("list[dict[str, Any]]", plain.to_dict(orient="records"))
