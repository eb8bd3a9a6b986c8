"""Columns of a table of necessity results, one row a problem, and what a row may say.

Rows are made in `quarry.necessity.shard`; what is chosen from them, in `quarry.selection`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypedDict, cast

TESTED: Final = "tested"
FAILED: Final = "failed"
"""The test could not be carried out; says nothing about the problem, and is tried again."""


class NecessityRow(TypedDict):
    """One problem and what the model made of it, with and without its thoughts.

    Where `status` is `failed`, `error` says why, and verdicts, predictions and outputs are None.
    A prediction is None, too, where the output holds no number, and the reason why an output ended
    where it is not known.
    """

    gsm8k_id: str
    question: str
    answer: float
    full_solution: str
    source: str
    baseline_correct: bool | None
    baseline_prediction: float | None
    ablated_correct: bool | None
    ablated_prediction: float | None
    needs_cot: bool | None
    status: str
    error: str | None
    baseline_output: str | None
    ablated_output: str | None
    baseline_finish_reason: str | None
    ablated_finish_reason: str | None
    method: str


COLUMNS: Final = tuple(NecessityRow.__annotations__)


def needs_cot(*, is_baseline_correct: bool, is_ablated_correct: bool) -> bool:
    """Right with its thoughts, wrong without."""
    return is_baseline_correct and not is_ablated_correct


def failed_row(known: Mapping[str, Any], error: str) -> NecessityRow:
    """A row of a problem whose test failed; `known` has the columns that describe the problem."""
    row = {**dict.fromkeys(COLUMNS), **known, "status": FAILED, "error": error}
    return cast(NecessityRow, row)
