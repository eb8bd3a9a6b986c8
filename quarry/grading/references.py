"""Grades what must come out one way: gold answers correct, answers made wrong incorrect.

A grader that fails here is broken for this benchmark, whatever its labels look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from quarry.findings import Finding
from quarry.grading.grader import GradingTask, grade_stream, require_format
from quarry.grading.numbers import format_number, parse_number
from quarry.grading.verdict import Grade, Verdict
from quarry.samples import Sample
from quarry.sandbox.limits import Limits

CHECK = "agrees_with_references"


def reference_completion(sample: Sample, format: str) -> str:
    """What a perfect model would write: the gold solution in the form of the benchmark.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    require_format(format)
    if format == "gsm8k":
        return str(sample.metadata.get("solution") or f"#### {sample.target}")
    return sample.target


def wrong_completion(sample: Sample, format: str) -> str:
    """An answer in the same form that is certainly wrong.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    require_format(format)
    if format == "gsm8k":
        gold = parse_number(sample.target) or Fraction(0)
        return f"#### {format_number(gold + 1)}"
    if format == "logiqa":
        at = "ABCDEFGHIJ".index(sample.target.strip().upper())
        return "ABCDEFGHIJ"[(at + 1) % len(sample.choices)]
    if format == "humaneval":
        return "    raise NotImplementedError\n"
    entry_point = sample.metadata.get("entry_point", "solution")
    return f"def {entry_point}(*args, **kwargs):\n    raise NotImplementedError\n"


def check_references(
    samples: Sequence[Sample],
    format: str,
    limits: Limits = Limits(),  # noqa: B008  frozen
    most: int = 20,
) -> list[Finding]:
    """Grade gold and wrong answers of up to `most` samples, spread evenly over all.

    Args:
        samples: samples of `format`.
        format: source format of the benchmark.
        limits: what a program may use.
        most: how many samples are tried.

    Returns:
        One finding for each answer that did not get the verdict it must get.

    Raises:
        UnknownNameError: no grader knows the format.
    """
    require_format(format)
    step = max(1, -(-len(samples) // most))
    chosen = list(samples[::step])
    wanted = [
        (sample, make(sample, format), expected, kind)
        for make, expected, kind in (
            (reference_completion, Verdict.CORRECT, "gold_not_correct"),
            (wrong_completion, Verdict.INCORRECT, "wrong_not_incorrect"),
        )
        for sample in chosen
    ]
    tasks = (GradingTask(sample, completion, "stop") for sample, completion, _, _ in wanted)
    grades = grade_stream(tasks, format, limits)
    return [
        _finding(sample, kind, expected, grade)
        for (sample, _, expected, kind), grade in zip(wanted, grades, strict=True)
        if grade.verdict is not expected
    ]


def _finding(sample: Sample, kind: str, expected: Verdict, grade: Grade) -> Finding:
    answer = "gold answer" if expected is Verdict.CORRECT else "deliberately wrong answer"
    return Finding(
        check=CHECK,
        kind=kind,
        what=f"A {answer} is not graded {expected}",
        where=sample.id,
        expected=str(expected),
        got=f"{grade.verdict}; {dict(grade.evidence)}"[:500],
        cure="correct the benchmark's record, or the grader and raise its version, then relabel",
        sample_id=sample.id,
    )
