"""Tables of labels: nothing lost, nothing conflated, versions recorded."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from quarry.catalog import Thresholds
from quarry.errors import GradingError, UnknownNameError
from quarry.grading.grader import (
    GRADER_VERSIONS,
    LABEL_COLUMNS,
    error_grade,
    grade,
    label_samples,
    labels_code_version,
)
from quarry.grading.label_checks import balance_facts, check_class_balance, check_graded_share
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import golden_code

QUICK = Limits(timeout_s=1.0)
SAMPLES = [Sample(f"gsm8k/test/{row}", "?", "18") for row in range(5)]


def test_each_verdict_stays_itself() -> None:
    completions = ["#### 18", "#### 17", "no idea", "16 - 3 ="]
    samples = [*SAMPLES[:4], Sample("gsm8k/test/9", "?", "not a number")]
    frame = label_samples(
        samples, [*completions, "#### 1"], "gsm8k", ["stop", "stop", "stop", "length", "stop"]
    )
    assert list(frame.columns) == list(LABEL_COLUMNS)
    assert list(frame["verdict"]) == ["correct", "incorrect", "no_answer", "truncated", "error"]
    assert list(frame["is_correct"]) == [True, False, False, False, False]
    assert list(frame["sample_id"]) == [sample.id for sample in samples]
    assert frame["is_correct"].dtype == bool
    assert "no number" in json.loads(frame["evidence"].iloc[4])["reason"]


def test_programs_run_side_by_side_and_rows_keep_their_order() -> None:
    samples, _ = golden_code("humaneval")
    good = "    return sum(n for n in numbers if n > 0)\n"
    slow = "    import time\n    time.sleep(0.3)\n" + good
    completions = [slow, good, "", "    while True:\n        pass\n", good, "    return 0\n"]
    seen: list[tuple[int, int]] = []
    frame = label_samples(
        [samples["total"]] * 6,
        completions,
        "humaneval",
        limits=QUICK,
        progress=lambda done, total: seen.append((done, total)),
    )
    verdicts = ["correct", "correct", "no_answer", "timeout", "correct", "incorrect"]
    assert list(frame["verdict"]) == verdicts
    assert seen == [(n, 6) for n in range(1, 7)]


def test_a_sample_without_tests_is_an_error_row_and_not_an_incorrect_one() -> None:
    samples, _ = golden_code("humaneval")
    broken = Sample("humaneval/test/x", "def f():\n", "", (), {"entry_point": "f", "test": "x ="})
    frame = label_samples([broken, samples["total"]], ["    return 1\n"] * 2, "humaneval")
    assert list(frame["verdict"]) == ["error", "incorrect"]
    assert "no usable tests" in json.loads(frame["evidence"].iloc[0])["reason"]


def test_a_lone_surrogate_does_not_break_the_stored_table(tmp_path: Any) -> None:
    samples, _ = golden_code("mbpp")
    completion = "def double(values):\n    return '\ud800'\n"
    frame = label_samples([samples["double"]], [completion], "mbpp", limits=QUICK)
    frame.to_parquet(tmp_path / "labels.parquet")
    assert list(frame["verdict"]) == ["incorrect"]


def test_an_empty_table_has_all_columns() -> None:
    frame = label_samples([], [], "gsm8k")
    assert list(frame.columns) == list(LABEL_COLUMNS)
    assert len(frame) == 0


def test_a_missing_completion_is_refused_before_anything_is_graded() -> None:
    with pytest.raises(GradingError, match="differ in number"):
        label_samples(SAMPLES, ["#### 18"], "gsm8k")


def test_an_unknown_format_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match="gsm8k, humaneval, logiqa, mbpp"):
        grade(SAMPLES[0], "mmlu", "A")


def test_raising_one_version_changes_the_code_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = labels_code_version()
    monkeypatch.setitem(GRADER_VERSIONS, "logiqa", "99")
    assert labels_code_version() != before


def test_an_error_grade_says_what_was_raised() -> None:
    evidence = error_grade(ValueError("boom"), "gsm8k").evidence
    assert (evidence["exception"], evidence["reason"]) == ("ValueError", "boom")


def frame_of(**verdicts: int) -> pd.DataFrame:
    names = [name for name, count in verdicts.items() for _ in range(count)]
    return pd.DataFrame(
        {
            "sample_id": [f"gsm8k/test/{row}" for row in range(len(names))],
            "verdict": names,
            "is_correct": [name == "correct" for name in names],
        }
    )


BOUNDS = Thresholds(min_correct_rate=0.05, max_correct_rate=0.95, min_graded_share=0.9)


@pytest.mark.parametrize(
    ("frame", "kinds"),
    [
        (frame_of(correct=5, incorrect=95), []),
        (frame_of(correct=4, incorrect=96), []),
        (frame_of(correct=0, incorrect=9), ["too_few_correct"]),
        (frame_of(correct=9), ["too_many_correct"]),
        (frame_of(correct=14, incorrect=286), ["too_few_correct"]),
        (frame_of(correct=95, incorrect=5), []),
        (frame_of(correct=96, incorrect=4), []),
        (frame_of(correct=289, incorrect=11), ["too_many_correct"]),
        (frame_of(correct=5, incorrect=45, timeout=50), []),
        (frame_of(correct=14, no_answer=150, truncated=136), ["too_few_correct"]),
        (frame_of(correct=20, incorrect=300, error=200), []),
        (frame_of(timeout=3, error=2), ["nothing_graded"]),
        (frame_of(), ["nothing_graded"]),
    ],
)
def test_class_balance_counts_graded_rows_and_lets_few_of_them_be_undecided(
    frame: pd.DataFrame, kinds: list[str]
) -> None:
    findings = check_class_balance(frame, BOUNDS)
    assert [finding.kind for finding in findings] == kinds
    assert {finding.severity for finding in findings} <= {"warning"}
    assert {finding.check for finding in findings} <= {"class_balance"}


def test_facts_hold_the_interval_and_say_what_is_open() -> None:
    facts = balance_facts(frame_of(correct=4, incorrect=96, timeout=3), BOUNDS)
    assert (facts["samples"], facts["graded"], facts["correct"]) == (103, 100, 4)
    assert facts["correct_rate"] == 0.04
    assert facts["correct_rate_low"] == pytest.approx(0.0157, abs=1e-4)
    assert facts["correct_rate_high"] == pytest.approx(0.0984, abs=1e-4)
    assert facts["balance_state"] == (
        "undecided: under 5% correct, but 100 rows leave 1.6-9.8% open; 200 more would decide"
    )


def test_facts_of_nothing_graded_have_no_share() -> None:
    assert balance_facts(frame_of(timeout=3), BOUNDS) == {"samples": 3, "graded": 0}


def test_graded_share_names_the_rows_without_verdict() -> None:
    (finding,) = check_graded_share(frame_of(correct=8, timeout=1, error=1), BOUNDS)
    assert "gsm8k/test/8, gsm8k/test/9" in finding.where
    assert finding.got == "8/10 (80.0%) graded; 1 timeout, 1 error"


@pytest.mark.parametrize("frame", [frame_of(correct=9, error=1), frame_of(no_answer=3)])
def test_enough_graded_rows_are_no_finding(frame: pd.DataFrame) -> None:
    assert check_graded_share(frame, BOUNDS) == []


def test_an_empty_table_has_no_graded_share() -> None:
    (finding,) = check_graded_share(frame_of(), BOUNDS)
    assert finding.where == "the whole table"
