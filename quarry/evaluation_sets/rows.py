"""Rows of an evaluation set from a graded table: nothing is encoded again.

The boundary between prompt and completion is where the model's output began, by its token ids; a
boundary inside a token can't occur.
"""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from quarry.errors import RecordError
from quarry.evaluation_sets.schema import IGNORED_LABEL, SET_SCHEMA, row_id
from quarry.sampling.table import GRADED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from quarry.evaluation_sets.token_facts import TokenFacts


@dataclass(frozen=True)
class SetOrigin:
    """Where the completions of a set come from.

    Args:
        run: the fine-tuning run.
        checkpoint: of that run.
        rubric: under which they were graded, whole, as `Rubric.as_dict` gives it.
        rubric_digest: `Rubric.digest`.
    """

    run: str
    checkpoint: str
    rubric: Mapping[str, Any]
    rubric_digest: str


def build_rows(graded: pd.DataFrame, tokens: TokenFacts, origin: SetOrigin) -> pa.Table:
    """The equivalent completions, tokenised, in the order of the graded table.

    Args:
        graded: with the columns of `quarry.sampling.table.GRADED_COLUMNS`.
        tokens: of the tokenizer that made the token ids.
        origin: what the rows' metadata say of where they come from.

    Returns:
        A table of `SET_SCHEMA`; without rows where nothing is equivalent.

    Raises:
        RecordError: the graded table lacks a column.
    """
    kept = equivalent_rows(graded)
    rows = [_row(record, tokens, origin) for record in kept.to_dict("records")]
    return pa.Table.from_pylist(rows, schema=SET_SCHEMA)


def equivalent_rows(graded: pd.DataFrame) -> pd.DataFrame:
    """The rows of a graded table that belong into a set, in their order.

    Raises:
        RecordError: the graded table lacks a column.
    """
    absent = [name for name in GRADED_COLUMNS if name not in graded.columns]
    if absent:
        raise RecordError(
            "A graded table lacks columns",
            where="graded completions",
            expected=", ".join(GRADED_COLUMNS),
            got=f"no {', '.join(absent)}",
            fix="grade the completions of the checkpoint again",
        )
    return graded.loc[graded["outcome"] == "equivalent", :]


def graded_id(record: Mapping[Any, Any]) -> str:
    """The id that a row of a graded table has in a set."""
    return row_id(str(record["prompt_id"]), int(record["generation_idx"]))


def _row(record: Mapping[Any, Any], tokens: TokenFacts, origin: SetOrigin) -> dict[str, Any]:
    """One row of a set."""
    prompt_ids = [int(token) for token in record["prompt_token_ids"]]
    output_ids = tokens.without_end(record["output_token_ids"])
    input_ids = prompt_ids + output_ids
    return {
        "id": graded_id(record),
        "prompt_id": record["prompt_id"],
        "prompt": record["prompt"],
        "completion": record["completion"],
        "generation_idx": int(record["generation_idx"]),
        "metadata": _metadata(record, origin),
        "input_ids": input_ids,
        "labels": [IGNORED_LABEL] * len(prompt_ids) + output_ids,
        "attention_mask": [1] * len(input_ids),
    }


def _metadata(record: Mapping[Any, Any], origin: SetOrigin) -> dict[str, Any]:
    """What is known of a row beside its tokens; the fields of `METADATA_TYPE`."""
    trimmed = record["trimmed"]
    return {
        "source": record["source"],
        "run": origin.run,
        "checkpoint": origin.checkpoint,
        "target": record["target"],
        "rubric": str(origin.rubric.get("name", "")),
        "rubric_digest": origin.rubric_digest,
        "grader": record["decided_by"],
        # pandas has NaN for a missing text
        "trimmed": trimmed if isinstance(trimmed, str) else None,
        "finish_reason": record["finish_reason"],
        "count": int(record["count"]),
        "n_generations": int(record["n_generations"]),
    }
