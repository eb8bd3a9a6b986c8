"""Rows of a completions file: graded in order, streamed, none lost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from quarry.errors import UnknownNameError, UsageError
from quarry.grading.completion_rows.row import ToolChoice
from quarry.grading.completions_file import grade_completions, grade_completions_file
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import golden_code
from tests.grading.completion_rows import examples
from tests.grading.completion_rows.examples import gsm8k_record, lines, scores_record

SAMPLES = {f"gsm8k/test/{row}": Sample(f"gsm8k/test/{row}", "?", "18") for row in range(3)}


def graded(rows: list[Any], format: str = "gsm8k") -> list[dict[str, Any]]:
    return list(grade_completions(rows, SAMPLES, format, "test"))


def test_a_row_keeps_its_fields_and_gains_the_grade() -> None:
    (row,) = graded([{"sample_id": "gsm8k/test/1", "completion": "#### 18", "model": "m"}])
    assert row["model"] == "m"
    assert (row["verdict"], row["is_correct"], row["extracted"]) == ("correct", True, "18")
    assert (row["grader"], "theirs" in row) == ("numeric", False)
    assert row["evidence"]["rule"]
    assert row["grader_version"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"sample_id": "gsm8k/test/999", "completion": "#### 18"}, "gsm8k/test/999"),
        ({"sample_id": "logiqa/test/1", "completion": "A"}, "logiqa/test/1"),
        ({"completion": "#### 18"}, "`sample_id`, `task_id` or the question"),
        ({"sample_id": "gsm8k/test/1"}, "keys sample_id"),
        ({"sample_id": "gsm8k/test/1", "completion": ["#### 18"]}, "list"),
        (["not", "an", "object"], "keys row"),
        ({}, "none"),
    ],
)
def test_a_row_that_can_not_be_graded_says_why_and_stops_nothing(row: Any, reason: str) -> None:
    first, second = graded([row, {"sample_id": "gsm8k/test/0", "completion": "#### 18"}])
    assert first["verdict"] == "error"
    assert reason in first["evidence"]["reason"]
    assert second["verdict"] == "correct"


def test_a_row_may_name_its_sample_by_number() -> None:
    (row,) = graded([{"task_id": 2, "completion": "#### 17"}])
    assert (row["sample_id"], row["verdict"]) == ("gsm8k/test/2", "incorrect")


def test_a_row_without_id_may_name_its_sample_by_the_question() -> None:
    question = examples.QUESTIONS[1]
    rows = [{"question": question, "completion": "#### 19"}, {"question": "?", "completion": "1"}]
    found, unknown = grade_completions(rows, examples.SAMPLES, "gsm8k", "test")
    assert (found["sample_id"], found["verdict"]) == ("gsm8k/test/1", "correct")
    assert (unknown["sample_id"], unknown["verdict"]) == (None, "error")


@pytest.mark.parametrize(
    ("reason", "verdict"), [("length", "truncated"), ("stop", "incorrect"), ("eos", "incorrect")]
)
def test_the_finish_reason_counts_where_it_is_known(reason: str, verdict: str) -> None:
    row = {"sample_id": "gsm8k/test/0", "completion": "It is 16 - 3", "finish_reason": reason}
    assert graded([row])[0]["verdict"] == verdict


def test_rows_are_graded_as_they_come() -> None:
    endless = ({"task_id": n % 3, "completion": "#### 18"} for n in itertools.count())
    rows = itertools.islice(grade_completions(endless, SAMPLES, "gsm8k", "test"), 5)
    assert [row["verdict"] for row in rows] == ["correct"] * 5


def test_programs_keep_the_order_of_their_rows() -> None:
    sample = golden_code("mbpp")[0]["double"]
    good = "def double(values):\n    return [2 * v for v in values]\n"
    codes = ["import time\ntime.sleep(0.3)\n" + good, good, "", "def double(v):\n    return v\n"]
    rows = [{"sample_id": "mbpp/test/11", "completion": code} for code in codes]
    result = grade_completions(rows, {"mbpp/test/11": sample}, "mbpp", "test", Limits(timeout_s=2))
    assert [row["verdict"] for row in result] == ["correct", "correct", "no_answer", "incorrect"]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="No grader knows"):
        graded([{"task_id": 1, "completion": "A"}], "mmlu")


def graded_file(
    folder: Path, records: list[Any], tool: ToolChoice = "auto"
) -> list[dict[str, Any]]:
    path = folder / "samples.jsonl"
    path.write_bytes(lines(records))
    return list(grade_completions_file(path, examples.SAMPLES, "gsm8k", tool=tool))


def test_a_harness_file_is_matched_by_its_documents_and_not_by_row_numbers(tmp_path: Path) -> None:
    shuffled = [gsm8k_record(row, [f" #### {18 + row}"], doc_id=2 - row) for row in (2, 0, 1)]
    rows = graded_file(tmp_path, shuffled)
    assert [row["sample_id"] for row in rows] == ["gsm8k/test/2", "gsm8k/test/0", "gsm8k/test/1"]
    assert [row["verdict"] for row in rows] == ["correct"] * 3
    assert [row["doc_id"] for row in rows] == [0, 2, 1]


def test_each_answer_of_a_document_is_graded_once_whatever_the_filters(tmp_path: Path) -> None:
    answers = [" #### 18", " #### 5", " 18 it is"]
    names = ("strict-match", "flexible-extract")
    rows = graded_file(tmp_path, [gsm8k_record(0, answers, name) for name in names])
    assert [row["repeat"] for row in rows] == [0, 1, 2]
    assert [row["is_correct"] for row in rows][:2] == [True, False]
    assert [entry["rule"] for entry in rows[0]["theirs"]] == [f"exact_match, {n}" for n in names]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (gsm8k_record(0, [" #### 18"], doc={"question": "Why?"}), "Why?"),
        (gsm8k_record(0, [" #### 18"], doc=None), "samples of gsm8k"),
        (scores_record(), "loglikelihood scores and no text"),
    ],
)
def test_a_harness_record_that_can_not_be_graded_says_why(
    record: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    bad, good = graded_file(tmp_path, [record, gsm8k_record(1, [" #### 19"])])
    assert (bad["verdict"], bad["sample_id"]) == ("error", None)
    assert reason in bad["evidence"]["reason"]
    assert good["verdict"] == "correct"


def test_verdicts_by_other_tests_are_marked() -> None:
    sample = Sample("humaneval/test/0", "def f():\n", "    return 1\n", (), {
        "task_id": "HumanEval/0", "entry_point": "f",
        "test": "def check(candidate):\n    assert candidate() == 1\n"})  # fmt: skip
    doc = {"task_id": "HumanEval/0", "test": "def check(candidate):\n    assert False\n"}
    record = gsm8k_record(0, ["    return 1\n"], "create_test", doc=doc)
    (row,) = grade_completions([record], {sample.id: sample}, "humaneval", "test")
    assert row["verdict"] == "correct"
    assert "other tests" in row["theirs"][0]["note"]


def test_a_graded_row_can_be_graded_again(tmp_path: Path) -> None:
    first = graded_file(tmp_path, [gsm8k_record(0, [" #### 18"])])
    (again,) = graded_file(tmp_path, first)
    assert again["verdict"] == "correct"
    assert [entry["tool"] for entry in again["theirs"]] == ["lm-eval", "quarry"]
    assert graded_file(tmp_path, [again])[0]["theirs"] == again["theirs"]


def test_a_file_without_completions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no completions"):
        graded_file(tmp_path, [{"question": "?", "answer": "18"}])


def test_progress_is_told_for_every_row(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(lines([{"task_id": n, "completion": "#### 18"} for n in range(3)]))
    told: list[tuple[int, int]] = []
    rows = grade_completions_file(
        path, SAMPLES, "gsm8k", progress=lambda done, total: told.append((done, total))
    )
    assert len(list(rows)) == len(told) == 3
    assert told[-1] == (path.stat().st_size,) * 2
