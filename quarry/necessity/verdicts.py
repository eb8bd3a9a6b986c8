"""From two answers to a row of results: which of them are right, and what follows from it."""

from __future__ import annotations

from fractions import Fraction

from quarry.errors import GradingError
from quarry.grading.numbers import parse_number
from quarry.grading.numeric import grade_numeric
from quarry.grading.verdict import Verdict
from quarry.necessity.method import Answer, Attempt
from quarry.necessity.problem import Problem
from quarry.necessity.table import TESTED, NecessityRow, failed_row, needs_cot


def row_of(problem: Problem, outcome: Attempt | Exception, method: str) -> NecessityRow:
    """The row of a problem.

    Args:
        problem: the candidate.
        outcome: both answers, or why there are none.
        method: how it was tested, for the column of that name.

    Raises:
        GradingError: the gold answer is no number.
    """
    known = {
        "gsm8k_id": problem.id,
        "question": problem.question,
        "answer": _gold(problem),
        "full_solution": problem.solution,
        "source": problem.source,
        "method": method,
    }
    if isinstance(outcome, Exception):
        return failed_row(known, f"{type(outcome).__name__}: {outcome}")
    is_right, prediction = _graded(problem, outcome.baseline)
    is_ablated_right, ablated_prediction = _graded(problem, outcome.ablated)
    return NecessityRow(
        gsm8k_id=problem.id,
        question=problem.question,
        answer=_gold(problem),
        full_solution=problem.solution,
        source=problem.source,
        baseline_correct=is_right,
        baseline_prediction=prediction,
        ablated_correct=is_ablated_right,
        ablated_prediction=ablated_prediction,
        needs_cot=needs_cot(is_baseline_correct=is_right, is_ablated_correct=is_ablated_right),
        status=TESTED,
        error=None,
        baseline_output=outcome.baseline.text,
        ablated_output=outcome.ablated.text,
        baseline_finish_reason=outcome.baseline.finish_reason,
        ablated_finish_reason=outcome.ablated.finish_reason,
        method=method,
    )


def _graded(problem: Problem, answer: Answer) -> tuple[bool, float | None]:
    """Whether an answer is right, and the number that it gives."""
    grade = grade_numeric(problem.answer, answer.text, answer.finish_reason)
    number = None if grade.extracted is None else parse_number(grade.extracted)
    return grade.verdict is Verdict.CORRECT, None if number is None else _as_float(number)


def _as_float(number: Fraction) -> float | None:
    """A number as a float; None for one that no float holds, as a rambling model may write."""
    try:
        return float(number)
    except OverflowError:
        return None


def _gold(problem: Problem) -> float:
    """The gold answer as a number."""
    number = parse_number(problem.answer)
    if number is None:
        raise GradingError(
            "A gold answer is no number",
            where=problem.id,
            expected="a number such as 18, -2.5 or 1,200",
            got=repr(problem.answer),
            fix="correct the benchmark's record or its loader",
        )
    return float(number)
