"""Rows of a completions file: graded in order, streamed, none lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from quarry.errors import UnknownNameError
from quarry.grading.completions_file import grade_completions
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import golden_code

SAMPLES = {f"gsm8k/test/{row}": Sample(f"gsm8k/test/{row}", "?", "18") for row in range(3)}


def graded(rows: list[Any], format: str = "gsm8k") -> list[dict[str, Any]]:
    return list(grade_completions(rows, SAMPLES, format, "test"))


def test_a_row_keeps_its_fields_and_gains_the_grade() -> None:
    (row,) = graded([{"sample_id": "gsm8k/test/1", "completion": "#### 18", "model": "m"}])
    assert row["model"] == "m"
    assert (row["verdict"], row["is_correct"], row["extracted"]) == ("correct", True, "18")
    assert (row["grader"], row["evidence"]["rule"]) == ("numeric", "hash")
    assert row["grader_version"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"sample_id": "gsm8k/test/999", "completion": "#### 18"}, "gsm8k/test/999"),
        ({"sample_id": "logiqa/test/1", "completion": "A"}, "logiqa/test/1"),
        ({"completion": "#### 18"}, "`sample_id` or `task_id`"),
        ({"sample_id": "gsm8k/test/1"}, "NoneType"),
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
