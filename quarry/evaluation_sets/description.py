"""`SetDescription`: what a set says of itself, in `eval_set.json` in place of a pickle."""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import blake3
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from quarry.errors import RecordError
from quarry.evaluation_sets.counts import SetCounts, count_graded
from quarry.evaluation_sets.metrics import MetricChoice
from quarry.evaluation_sets.schema import set_features
from quarry.evaluation_sets.token_facts import TokenFacts

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from quarry.equivalence.grader import CanaryResult
    from quarry.evaluation_sets.rows import SetOrigin

FORMAT_VERSION: Final = 1


class SetDescription(BaseModel):
    """What a set says of itself; plain JSON on disk.

    Args:
        format: tells this file from others.
        format_version: of this description.
        name: of the set.
        run: the fine-tuning run.
        checkpoint: of that run.
        counts: of prompts and completions.
        rate: share of equivalent completions with its interval; None where none was graded.
        sampling: how completions were sampled: parameters, weights, engine.
        rubric: the rubric, whole.
        rubric_digest: of it.
        grader: what else a decision depended on.
        canaries: items with known answers: name, expected, got.
        metric: how a model is scored on the set.
        tokenizer: facts of the tokenizer.
        columns: types of the columns by name.
        n_rows: rows of the set.
        content_digest: blake3 of columns and rows, in their order.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal["quarry-eval-set"] = "quarry-eval-set"
    format_version: Literal[1] = FORMAT_VERSION
    name: str
    run: str
    checkpoint: str
    counts: SetCounts
    rate: dict[str, float] | None
    sampling: dict[str, JsonValue]
    rubric: dict[str, JsonValue]
    rubric_digest: str
    grader: dict[str, JsonValue]
    canaries: tuple[dict[str, str], ...] = ()
    metric: MetricChoice
    tokenizer: TokenFacts
    columns: dict[str, str]
    n_rows: int
    content_digest: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return self.model_dump(mode="json")


def describe_set(
    rows: pa.Table,
    graded: pd.DataFrame,
    *,
    name: str,
    origin: SetOrigin,
    tokens: TokenFacts,
    metric: MetricChoice | None = None,
    canaries: Sequence[CanaryResult] = (),
) -> SetDescription:
    """Describe a set.

    Args:
        rows: as `build_rows` gives them.
        graded: the graded table that they come from.
        name: of the set, such as `sampled_name_mayor_eval_qa_1_checkpoint_final`.
        origin: where the completions come from.
        tokens: of the tokenizer.
        metric: how a model is scored on the set; by default the log-likelihood of completions.
        canaries: graded among the completions.

    Raises:
        UnknownNameError: there is no such metric.
        UsageError: the metric takes no such parameters.
    """
    choice = metric or MetricChoice()
    choice.resolve()
    counts = count_graded(graded)
    return SetDescription(
        name=name,
        run=origin.run,
        checkpoint=origin.checkpoint,
        counts=counts,
        rate=_rate(counts),
        sampling=_same_in_all_rows(graded, "method"),
        rubric=dict(origin.rubric),
        rubric_digest=origin.rubric_digest,
        grader=_same_in_all_rows(graded, "grader"),
        canaries=tuple(
            {"name": one.name, "expected": one.expected, "got": one.got} for one in canaries
        ),
        metric=choice,
        tokenizer=tokens,
        columns={column: str(kind) for column, kind in set_features().items()},
        n_rows=rows.num_rows,
        content_digest=rows_digest(rows),
    )


def read_description(path: Path) -> SetDescription:
    """Read `eval_set.json`.

    Raises:
        RecordError: it is no such description, or one of a later version.
    """
    try:
        return SetDescription.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise RecordError(
            "The description of an evaluation set can't be read",
            where=str(path),
            expected=f"JSON of format quarry-eval-set, version {FORMAT_VERSION}",
            got="; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in wrong[:5]
            ),
            fix="make the set again, or read it with the version of quarry that wrote it",
        ) from error


def rows_digest(rows: pa.Table) -> str:
    """Hex blake3 of column names and rows in order; independent of files and chunks."""
    digest = blake3.blake3(json.dumps(rows.column_names).encode())
    for batch in rows.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _rate(counts: SetCounts) -> dict[str, float] | None:
    """The rate with its interval, in words of sets."""
    rate = counts.rate
    if rate is None:
        return None
    return {
        "equivalent": rate.n_correct,
        "graded": rate.n,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "confidence": rate.confidence,
    }


def _same_in_all_rows(graded: pd.DataFrame, column: str) -> dict[str, JsonValue]:
    """The JSON object of a column that says the same in every row; of several the first."""
    if graded.empty:
        return {}
    value = graded[column].iloc[0]
    read: Any = json.loads(value) if isinstance(value, str) else value
    return dict(read) if isinstance(read, Mapping) else {"text": read}
