"""Every hand-judged completion of a text benchmark gets its verdict; tables in `golden/`."""

from __future__ import annotations

from typing import Any

import pytest

from quarry.grading.choice import grade_choice
from quarry.grading.grader import error_grade, grade
from quarry.grading.gsm8k_rules import lm_eval_verdicts
from quarry.grading.verdict import Verdict
from quarry.samples import Sample
from tests.grading.golden_rows import golden_rows, golden_table

# strict-match drops the full stop of a numbered heading and so reads `#### 1. Count` as the answer.
TAKEN_BACK = ("</think>", "<think>", "Wait", "second thought", "might think")
HARSHER_THAN_STRICT_MATCH = ("#### 1. Count the eggs\n",)


def judged(row: dict[str, Any], format: str) -> Any:
    sample = Sample(f"{format}/test/0", "?", row["target"], tuple(row["options"]))
    try:
        return grade(sample, format, row["completion"], finish_reason=row.get("finish_reason"))
    except RuntimeError as error:
        return error_grade(error, format)


@pytest.mark.parametrize("row", golden_table("gsm8k"))
def test_a_numeric_completion_gets_its_verdict(row: dict[str, Any]) -> None:
    result = judged(row, "gsm8k")
    expected = (Verdict(row["verdict"]), row.get("extracted"), row["official"])
    assert (result.verdict, result.extracted, result.is_officially_correct) == expected, (
        result.evidence
    )


@pytest.mark.parametrize("row", golden_table("logiqa"))
def test_a_choice_completion_gets_its_verdict(row: dict[str, Any]) -> None:
    result = judged(row, "logiqa")
    assert (result.verdict, result.extracted) == (Verdict(row["verdict"]), row.get("extracted")), (
        result.evidence
    )
    assert result.is_officially_correct is None


@pytest.mark.parametrize(("format", "n_rows"), [("gsm8k", 400), ("logiqa", 200)])
def test_a_corpus_is_large_and_free_of_repetitions(format: str, n_rows: int) -> None:
    rows = golden_rows(format)
    asked = {
        (row["target"], row["completion"], row.get("finish_reason"), *row["options"])
        for row in rows
    }
    assert len(asked) == len(rows) >= n_rows


@pytest.mark.parametrize(("format", "defects"), [("gsm8k", {8, 10, 11}), ("logiqa", {8, 10, 12})])
def test_the_corpus_covers_the_old_defects(format: str, defects: set[int]) -> None:
    said = [f"{row['source']} {row['note']}" for row in golden_rows(format)]
    missing = {n for n in defects if not any(f"defect {n}:" in each for each in said)}
    assert not missing


def test_what_strict_match_accepts_is_correct_here() -> None:
    accepted = [
        row
        for row in golden_rows("gsm8k")
        if lm_eval_verdicts(row["completion"], row["target"])["strict-match"].is_correct
        and not row["completion"].startswith(HARSHER_THAN_STRICT_MATCH)
    ]
    assert len(accepted) >= 40
    assert {judged(row, "gsm8k").verdict for row in accepted} == {Verdict.CORRECT}


def test_what_strict_rules_for_letters_read_is_what_is_graded() -> None:
    """But for text that takes its first statement back, and for thoughts."""
    n_read = 0
    for row in golden_rows("logiqa"):
        if row["verdict"] == "error" or any(word in row["completion"] for word in TAKEN_BACK):
            continue
        result = grade_choice("A", row["options"], row["completion"], row.get("finish_reason"))
        for rule, letter in result.evidence["published"].items():
            if rule != "simple-evals" and "wrong answer" not in row["completion"]:
                n_read += 1
                assert result.extracted == letter, row
    assert n_read > 40
