"""Grades rows of a completions file as they come, also rows that other tools wrote.

Reading the file and printing belong to the command line; which sample a row names is decided in
`quarry.benchmarks.identity`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from quarry.benchmarks.identity import resolve_sample_id
from quarry.errors import GradingError, QuarryError
from quarry.grading.grader import (
    GradingTask,
    error_grade,
    evidence_json,
    grade_stream,
    require_format,
    storable,
)
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason
from quarry.samples import Sample
from quarry.sandbox.limits import Limits


def grade_completions(
    rows: Iterable[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    format: str,
    split: str,
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> Iterator[dict[str, Any]]:
    """Grade rows in order; a row that can't be graded gets the verdict `error` and its reason.

    Args:
        rows: each with `sample_id` or `task_id`, `completion` and optionally `finish_reason`
            (`stop` or `length`; other tools' values count as not known).
        samples: the samples by id.
        format: source format of the benchmark.
        split: the split that bare row numbers refer to.
        limits: what a program may use.

    Yields:
        The row with `sample_id`, `verdict`, `is_correct`, `extracted`, `evidence`, `grader` and
        `grader_version`.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    require_format(format)
    pending: deque[tuple[dict[str, Any], str | None]] = deque()

    def tasks() -> Iterator[GradingTask | Grade]:
        for row in rows:
            content = _content(row)
            sample_id = resolve_sample_id(content, format, split)
            pending.append((content, sample_id))
            yield _task(content, sample_id, samples, format)

    for grade in grade_stream(tasks(), format, limits):
        row, sample_id = pending.popleft()
        yield {**row, **_graded(row, sample_id, grade)}


def _content(row: object) -> dict[str, Any]:
    """The row's fields; something else than an object is kept under `row`."""
    return dict(cast(Mapping[str, Any], row)) if isinstance(row, Mapping) else {"row": row}


def _task(
    row: Mapping[str, Any], sample_id: str | None, samples: Mapping[str, Sample], format: str
) -> GradingTask | Grade:
    """The task of a row, or its `error` grade."""
    try:
        sample = _sample(row, sample_id, samples, format)
        completion = row.get("completion")
        if not isinstance(completion, str):
            raise _unusable(row, "`completion`, a string", type(completion).__name__)
    except QuarryError as error:
        return error_grade(error, format)
    reason = row.get("finish_reason")
    known: FinishReason | None = reason if reason in ("stop", "length") else None
    return GradingTask(sample, completion, known)


def _sample(
    row: Mapping[str, Any], sample_id: str | None, samples: Mapping[str, Sample], format: str
) -> Sample:
    if sample_id is not None and sample_id in samples:
        return samples[sample_id]
    named = {name: row[name] for name in ("sample_id", "task_id") if row.get(name) is not None}
    if not named:
        raise _unusable(row, "`sample_id` or `task_id`", f"keys {', '.join(row) or 'none'}")
    got = sample_id or json.dumps(named, default=str)[:200]
    raise _unusable(row, f"the id of one of {len(samples)} samples of {format}", got)


def _unusable(row: Mapping[str, Any], expected: str, got: str) -> GradingError:
    name = row.get("sample_id") or row.get("task_id") or "a row without id"
    return GradingError(
        "A row of completions can't be graded",
        where=str(name)[:100],
        expected=expected,
        got=got,
        fix="correct the row, or name the benchmark and split that it belongs to",
    )


def _graded(row: Mapping[str, Any], sample_id: str | None, grade: Grade) -> dict[str, Any]:
    """What is added to a row; the id stays as given where it could not be resolved."""
    return {
        "sample_id": sample_id if sample_id is not None else row.get("sample_id"),
        "verdict": str(grade.verdict),
        "is_correct": grade.verdict is Verdict.CORRECT,
        "is_officially_correct": grade.is_officially_correct,
        "extracted": storable(grade.extracted),
        "evidence": json.loads(evidence_json(grade)),
        "grader": grade.grader,
        "grader_version": grade.grader_version,
    }
