"""Checks of a stratified dataset against what it was made from: results, kept items, sources.

Which numbers it shall have, and what it must not share, is checked in
`quarry.selection.dataset_checks`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from quarry.findings import Finding
from quarry.necessity.problem import Problem
from quarry.necessity.table import TESTED, needs_cot
from quarry.selection.columns import records_of
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.selection.one_result import one_result_each
from quarry.selection.questions import same_question_key
from quarry.selection.row_findings import Row, first_of, of_row, row_id, same

if TYPE_CHECKING:
    import pandas as pd

_TESTED_FIELDS: Final = ("question", "answer")
_VERDICT_FIELDS: Final = (
    "baseline_correct",
    "ablated_correct",
    "needs_cot",
    "baseline_prediction",
    "ablated_prediction",
)
_FILLED_IN: Final = ("full_solution", "source", "reasoning_steps", "difficulty")
"""What a kept item may get from elsewhere."""
_AGAIN = "draw the dataset again from the current results"


def check_all_necessary(
    dataset: pd.DataFrame, results: pd.DataFrame, existing: pd.DataFrame | None = None
) -> list[Finding]:
    """Whether the model needs its chain of thought for every row, by the results themselves.

    Args:
        dataset: rows of the dataset.
        results: necessity results, the columns of `quarry.necessity.table`.
        existing: items that were kept from earlier; their own verdicts count.

    Raises:
        RecordError: two results of one problem contradict each other.
    """
    numbered = enumerate(records_of(results), start=1)
    each = one_result_each((f"results, row {number}", result) for number, result in numbered)
    tested = {row_id(result): result for result in each}
    kept = _by_id(existing)
    found: list[Finding] = []
    for row in records_of(dataset):
        id_ = row_id(row)
        found.extend(_verdict(row, kept[id_]) if id_ in kept else _result(row, tested.get(id_)))
    return first_of(found)


def _result(row: Row, result: Row | None) -> Iterator[Finding]:
    """What is wrong with a new row, by its result."""
    if result is None or result.get("status") != TESTED:
        got = "no result" if result is None else f"a test that failed: {result.get('error')}"
        yield of_row(
            "all_necessary",
            "untested",
            row,
            "An item was not tested for necessity",
            expected="a result of the test",
            got=got,
            cure=_AGAIN,
        )
        return
    for name in _TESTED_FIELDS:
        if not same(row.get(name), result.get(name)):
            yield of_row(
                "all_necessary",
                f"other_{name}",
                row,
                f"An item has another {name} than was tested",
                expected=result.get(name),
                got=row.get(name),
                cure=_AGAIN,
            )
    yield from _verdict(row, result)


def _verdict(row: Row, origin: Row) -> Iterator[Finding]:
    """Whether the origin's verdicts make the row necessary, and the row repeats them."""
    baseline, ablated = origin.get("baseline_correct"), origin.get("ablated_correct")
    if isinstance(baseline, bool) and isinstance(ablated, bool):
        is_needed = needs_cot(is_baseline_correct=baseline, is_ablated_correct=ablated)
    else:
        is_needed = origin.get("needs_cot") is True
    if not is_needed:
        yield of_row(
            "all_necessary",
            "not_necessary",
            row,
            "An item does not need its chain of thought",
            expected="right with it and wrong without",
            got=f"right with it: {baseline}, right without: {ablated}, "
            f"needs_cot: {origin.get('needs_cot')}",
            cure="draw the dataset again; where the item is a kept one, take it out of its file",
        )
    differing = [
        name for name in _VERDICT_FIELDS if name in row and not same(row[name], origin.get(name))
    ]
    if differing:
        yield of_row(
            "all_necessary",
            "other_verdict",
            row,
            "An item says something else than the result of its test",
            expected=_fields(origin, differing),
            got=_fields(row, differing),
            cure=_AGAIN,
        )


def check_existing_preserved(dataset: pd.DataFrame, existing: pd.DataFrame) -> list[Finding]:
    """Whether every item that is to be kept is there, unchanged and marked, and no other is marked.

    Args:
        dataset: rows of the dataset.
        existing: the items to be kept, as `quarry.selection.existing` reads them.
    """
    rows, kept = _by_id(dataset), _by_id(existing)
    found: list[Finding] = []
    for id_, item in kept.items():
        found.extend(_kept(item, rows.get(id_)))
    found.extend(
        _existing(
            row,
            "falsely_marked",
            "An item is marked as existing and is not among those to be kept",
            expected="is_existing false",
            got="true",
        )
        for row in records_of(dataset)
        if row.get("is_existing") is True and row_id(row) not in kept
    )
    return first_of(found)


def _kept(item: Row, row: Row | None) -> Iterator[Finding]:
    """What is wrong with the row of one item that is to be kept."""
    if row is None:
        what = "An item that was to be kept is gone"
        yield _existing(item, "lost", what, expected="the item", got="no row with its id")
        return
    if row.get("is_existing") is not True:
        what = "A kept item is not marked as existing"
        yield _existing(
            row, "not_marked", what, expected="is_existing true", got=row.get("is_existing")
        )
    changed = [
        name
        for name, value in item.items()
        if name in row
        and name != "is_existing"
        and not same(row[name], value)
        and not (value is None and name in _FILLED_IN)
    ]
    if changed:
        what = f"A kept item was changed: {', '.join(changed)}"
        yield _existing(
            row, "changed", what, expected=_fields(item, changed), got=_fields(row, changed)
        )


def _existing(row: Row, kind: str, what: str, *, expected: object, got: object) -> Finding:
    return of_row(
        "existing_preserved",
        kind,
        row,
        what,
        expected=expected,
        got=got,
        cure="draw the dataset again from the file of kept items",
    )


def check_gold(dataset: pd.DataFrame, problems: Iterable[Problem]) -> list[Finding]:
    """Whether question, answer, solution, steps and difficulty are what the source says.

    Steps and difficulty are counted anew. A kept item, whose id is not the source's, is found by
    its question; one whose question the source does not have is checked by its own solution.

    Args:
        dataset: rows of the dataset.
        problems: all problems of the source.
    """
    by_id = {problem.id: problem for problem in problems}
    by_question = {same_question_key(problem.question): problem for problem in by_id.values()}
    found: list[Finding] = []
    for row in records_of(dataset):
        is_existing = row.get("is_existing") is True
        key = same_question_key(str(row.get("question") or ""))
        problem = by_id.get(row_id(row)) or (by_question.get(key) if is_existing else None)
        if problem is None and not is_existing:
            found.append(
                _gold(
                    row,
                    "unknown",
                    "An item is not in the source",
                    expected="an id of the source",
                    got=f"question: {row.get('question')}",
                )
            )
            continue
        found.extend(_gold_fields(row, _expected(row, problem)))
    return first_of(found)


def _expected(row: Row, problem: Problem | None) -> dict[str, Any]:
    """What the fields of a row should be, as far as source or solution tell."""
    solution = row.get("full_solution") if problem is None else problem.solution
    expected: dict[str, Any] = {}
    if problem is not None:
        expected = {"answer": _number(problem.answer), "full_solution": problem.solution}
        if problem.id == row_id(row):
            expected |= {"question": problem.question, "source": problem.source}
        elif row.get("full_solution") is None:
            del expected["full_solution"]
    if solution is not None:
        expected["reasoning_steps"] = reasoning_steps(solution)
    steps = expected.get("reasoning_steps", row.get("reasoning_steps"))
    if steps is not None and steps >= 0:
        expected["difficulty"] = difficulty_of(int(steps))
    return expected


def _gold_fields(row: Row, expected: Mapping[str, Any]) -> Iterator[Finding]:
    """The fields of a row that are not as expected."""
    for name, value in expected.items():
        if not same(row.get(name), value):
            yield _gold(
                row,
                f"other_{name}",
                f"An item's {name} is not what the source says",
                expected=value,
                got=row.get(name),
            )


def _gold(row: Row, kind: str, what: str, *, expected: object, got: object) -> Finding:
    return of_row(
        "gold_agrees",
        kind,
        row,
        what,
        expected=expected,
        got=got,
        cure="compare with the source file; test its problems and draw the dataset again",
    )


def _number(answer: str) -> float | None:
    """The value of a gold answer; thousands may have separators."""
    from quarry.grading.numbers import parse_number

    value = parse_number(answer)
    return None if value is None else float(value)


def _by_id(frame: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    return {} if frame is None else {row_id(row): row for row in records_of(frame)}


def _fields(row: Row, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {row.get(name)!r}" for name in names)
