"""What the gold solutions tell of rows: solution and source by the question, steps, difficulty."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from quarry.selection.columns import records_of, table_of
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.selection.questions import same_question_key

if TYPE_CHECKING:
    import pandas as pd

    from quarry.samples import Sample


def with_gold(
    frame: pd.DataFrame, samples: Iterable[Sample] = (), *, is_recounted: bool = False
) -> pd.DataFrame:
    """Fill in what rows lack of `full_solution`, `source`, `reasoning_steps` and `difficulty`.

    Args:
        frame: with `question`.
        samples: of GSM8K, with their solution as metadata; solutions and sources come from them.
        is_recounted: whether steps that a row has are counted again where it has a solution.

    Returns:
        A table with the same rows, and these four columns beside its own.
    """
    gold = {same_question_key(sample.input): sample for sample in samples}
    ours = ("full_solution", "source", "reasoning_steps", "difficulty")
    columns = dict.fromkeys([*frame.columns, *ours])
    records = (_with_solution(record, gold) for record in records_of(frame))
    return table_of((_with_steps(record, is_recounted) for record in records), columns)


def _with_solution(record: dict[str, Any], gold: Mapping[str, Sample]) -> dict[str, Any]:
    """A record with solution and source of the sample with its question."""
    sample = gold.get(same_question_key(record["question"])) if gold else None
    if sample is None:
        return record
    solution, source = sample.metadata["solution"], sample.id.rsplit("/", 2)[1]
    given = {name: record.get(name) for name in ("full_solution", "source")}
    return record | {
        "full_solution": solution if given["full_solution"] is None else given["full_solution"],
        "source": source if given["source"] is None else given["source"],
    }


def _with_steps(record: dict[str, Any], is_recounted: bool) -> dict[str, Any]:
    """A record with its steps and difficulty."""
    solution, steps = record.get("full_solution"), record.get("reasoning_steps")
    if solution is not None and (steps is None or is_recounted):
        steps = reasoning_steps(solution)
    known = record.get("difficulty")
    is_named = known is not None and not (is_recounted and solution is not None)
    difficulty = known if is_named or steps is None else difficulty_of(int(steps))
    return record | {"reasoning_steps": steps, "difficulty": difficulty}
