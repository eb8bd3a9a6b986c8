"""Every hand-made completion of a text benchmark gets its verdict; the tables are in `golden/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.grading.grader import error_grade, grade
from quarry.grading.verdict import Verdict
from quarry.samples import Sample

GOLDEN = Path(__file__).with_name("golden")
OPTIONS = ("Rome is young", "Paris is old", "Rome is older than Paris", "Paris is older than Rome")


def table(format: str) -> list[Any]:
    rows = yaml.safe_load((GOLDEN / f"{format}.yaml").read_text(encoding="utf-8"))
    return [pytest.param(row, id=f"{n}: {row['note']}") for n, row in enumerate(rows)]


def judged(row: dict[str, Any], format: str, choices: tuple[str, ...] = ()) -> Any:
    sample = Sample(f"{format}/test/0", "?", row["target"], choices)
    try:
        return grade(sample, format, row["completion"], finish_reason=row.get("finish_reason"))
    except RuntimeError as error:
        return error_grade(error, format)


@pytest.mark.parametrize("row", table("gsm8k"))
def test_a_numeric_completion_gets_its_verdict(row: dict[str, Any]) -> None:
    result = judged(row, "gsm8k")
    assert (result.verdict, result.extracted) == (Verdict(row["verdict"]), row.get("extracted")), (
        result.evidence
    )


@pytest.mark.parametrize("row", table("logiqa"))
def test_a_choice_completion_gets_its_verdict(row: dict[str, Any]) -> None:
    result = judged(row, "logiqa", OPTIONS)
    assert (result.verdict, result.extracted) == (Verdict(row["verdict"]), row.get("extracted")), (
        result.evidence
    )


@pytest.mark.parametrize(("format", "defects"), [("gsm8k", {8, 10, 11}), ("logiqa", {8, 10, 12})])
def test_the_table_covers_the_old_defects(format: str, defects: set[int]) -> None:
    notes = [row.values[0]["note"] for row in table(format)]
    missing = {n for n in defects if not any(note.startswith(f"defect {n}") for note in notes)}
    assert not missing
