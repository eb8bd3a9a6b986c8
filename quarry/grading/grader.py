"""One entry to all graders: by format, one completion, a stream, or a whole table of labels.

Which rules decide lives in `numeric`, `choice` and `code`; files of completions in
`completions_file`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from quarry.errors import GradingError, UnknownNameError
from quarry.grading.choice import CHOICE_VERSION, grade_choice
from quarry.grading.code import (
    CODE_FORMATS,
    CODE_VERSION,
    PreparedProgram,
    prepare_code,
    run_prepared,
)
from quarry.grading.examination import Examiners
from quarry.grading.numeric import NUMERIC_VERSION, grade_numeric
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason
from quarry.samples import Sample
from quarry.sandbox.limits import Limits

GRADER_VERSIONS: dict[str, str] = {
    "gsm8k": NUMERIC_VERSION,
    "humaneval": CODE_VERSION,
    "logiqa": CHOICE_VERSION,
    "mbpp": CODE_VERSION,
}
"""Version of the grader of each format."""

_GRADERS = {"gsm8k": "numeric", "humaneval": "code", "logiqa": "choice", "mbpp": "code"}
_LOOKAHEAD = 4

LABEL_COLUMNS = (
    "sample_id",
    "verdict",
    "is_correct",
    "is_officially_correct",
    "extracted",
    "target",
    "grader",
    "grader_version",
    "evidence",
    "finish_reason",
)
"""Columns of a table of labels, in order."""


@dataclass(frozen=True)
class GradingTask:
    """One completion to grade.

    Args:
        sample: the sample it answers.
        completion: the decoded output of a model.
        finish_reason: why generation ended; None where that is not known.
    """

    sample: Sample
    completion: str
    finish_reason: FinishReason | None = None


def labels_code_version() -> str:
    """All graders' versions in one string; another one makes stored labels stale."""
    return ",".join(f"{name}-{version}" for name, version in sorted(GRADER_VERSIONS.items()))


def grade(
    sample: Sample,
    format: str,
    completion: str,
    *,
    finish_reason: FinishReason | None = None,
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> Grade:
    """Grade one completion.

    Args:
        sample: the sample it answers.
        format: source format of the benchmark, such as `gsm8k`.
        completion: the decoded output of a model.
        finish_reason: why generation ended; None where that is not known.
        limits: what a program may use.

    A program is run in an examiner of its own; many completions are faster in `grade_stream`.

    Raises:
        UnknownNameError: no grader knows the format.
        GradingError: the grader failed or the sample can't be graded.
        SandboxUnavailableError: programs can't be shut in on this machine.
    """
    prepared = _prepared(GradingTask(sample, completion, finish_reason), format)
    if isinstance(prepared, Grade):
        return prepared
    with Examiners(limits, n_slots=1) as examiners:
        return run_prepared(prepared, examiners)


def grade_stream(
    tasks: Iterable[GradingTask | Grade], format: str, limits: Limits
) -> Iterator[Grade]:
    """Grade completions one after the other, programs in all examiners at once.

    Grades come in the order of the tasks; a few programs are read ahead, never all. A task whose
    grading raises becomes the verdict `error`; a `Grade` among the tasks is handed through.

    Raises:
        UnknownNameError: no grader knows the format.
        SandboxUnavailableError: programs can't be shut in on this machine; before the first grade.
    """
    require_format(format)
    if format not in CODE_FORMATS:
        for task in tasks:
            yield _prepared_or_error(task, format)
        return
    with Examiners(limits) as examiners:
        yield from _examined(tasks, format, examiners)


def _examined(
    tasks: Iterable[GradingTask | Grade], format: str, examiners: Examiners
) -> Iterator[Grade]:
    """The grades of programs, in the order of the tasks; nothing is left running behind it."""
    waiting: deque[Grade | Future[Grade]] = deque()
    pool = ThreadPoolExecutor(examiners.n_slots, thread_name_prefix="grade")
    try:
        for task in tasks:
            step = _prepared_or_error(task, format)
            if isinstance(step, PreparedProgram):
                waiting.append(pool.submit(_guarded, run_prepared, step, examiners, format))
            else:
                waiting.append(step)
            most = examiners.n_slots * _LOOKAHEAD
            while waiting and (_is_done(waiting[0]) or len(waiting) >= most):
                yield _settled(waiting.popleft())
        while waiting:
            yield _settled(waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def label_samples(
    samples: Sequence[Sample],
    completions: Sequence[str],
    format: str,
    finish_reasons: Sequence[FinishReason | None] | None = None,
    limits: Limits = Limits(),  # noqa: B008  frozen
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The table of labels of one cell: one row a sample, in the given order, none lost.

    Args:
        samples: the samples.
        completions: one for each.
        format: source format of the benchmark.
        finish_reasons: one for each; None where they are not known.
        limits: what a program may use.
        progress: called with (graded so far, all).

    Returns:
        A frame with `LABEL_COLUMNS`; `is_correct` is bool, `is_officially_correct` a nullable
        boolean, `evidence` a JSON object as text.

    Raises:
        GradingError: the sequences differ in length.
        UnknownNameError: no grader knows the format.
    """
    reasons = list(finish_reasons) if finish_reasons is not None else [None] * len(samples)
    if not len(samples) == len(completions) == len(reasons):
        raise GradingError(
            "Samples, completions and finish reasons differ in number",
            where="label_samples",
            expected=f"{len(samples)} of each",
            got=f"{len(completions)} completions, {len(reasons)} finish reasons",
            fix="pass one completion and one finish reason for each sample",
        )
    tasks = map(GradingTask, samples, completions, reasons)
    rows: list[tuple[Any, ...]] = []
    for sample, reason, grade in zip(
        samples, reasons, grade_stream(tasks, format, limits), strict=True
    ):
        rows.append(_row(sample, reason, grade))
        if progress is not None:
            progress(len(rows), len(samples))
    frame = cast(Any, pd.DataFrame(rows, columns=list(LABEL_COLUMNS)))
    return frame.astype({"is_correct": bool, "is_officially_correct": "boolean"})


def evidence_json(grade: Grade) -> str:
    """The evidence of a grade as JSON text without line breaks."""
    return json.dumps(dict(grade.evidence), default=str)


def storable(text: str | None) -> str | None:
    """The text with lone surrogates replaced, which no file format can store."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def error_grade(error: Exception, format: str) -> Grade:
    """The verdict `error` with its reason: nothing is said about the completion."""
    evidence = {"exception": type(error).__name__, "reason": str(error)}
    grader = _GRADERS.get(format, "none")
    return Grade(Verdict.ERROR, None, grader, GRADER_VERSIONS.get(format, "0"), evidence)


def require_format(format: str) -> None:
    """Refuse a format without grader.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    if format not in GRADER_VERSIONS:
        raise UnknownNameError(
            "No grader knows a benchmark format",
            where="grading",
            expected=f"one of {', '.join(GRADER_VERSIONS)}",
            got=repr(format),
            fix="correct the format, or add a grader in quarry/grading/grader.py",
        )


def _prepared(task: GradingTask, format: str) -> Grade | PreparedProgram:
    """The grade where text decides, else the program to run."""
    require_format(format)
    sample, completion, reason = task.sample, task.completion, task.finish_reason
    if format == "gsm8k":
        return grade_numeric(sample.target, completion, reason)
    if format == "logiqa":
        return grade_choice(sample.target, sample.choices, completion, reason)
    return prepare_code(sample, completion, reason, format=format)


def _prepared_or_error(task: GradingTask | Grade, format: str) -> Any:
    """What `_prepared` gives; a grade is handed through."""
    return task if isinstance(task, Grade) else _guarded(_prepared, task, format, format)


def _guarded(step: Callable[[Any, Any], Any], subject: Any, setting: Any, format: str) -> Any:
    """The step's result; whatever it raises becomes one row's verdict, so that no row is lost."""
    try:
        return step(subject, setting)
    except Exception as error:  # noqa: BLE001
        return error_grade(error, format)


def _is_done(step: Grade | Future[Grade]) -> bool:
    return isinstance(step, Grade) or step.done()


def _settled(step: Grade | Future[Grade]) -> Grade:
    return step if isinstance(step, Grade) else step.result()


def _row(sample: Sample, reason: FinishReason | None, grade: Grade) -> tuple[Any, ...]:
    """One row of the table, in the order of `LABEL_COLUMNS`."""
    return (
        sample.id,
        str(grade.verdict),
        grade.verdict is Verdict.CORRECT,
        grade.is_officially_correct,
        storable(grade.extracted),
        sample.target,
        grade.grader,
        grade.grader_version,
        evidence_json(grade),
        reason,
    )
