"""Every hand-made completion of a code benchmark gets its verdict; the tables are in `golden/`."""

from __future__ import annotations

from typing import Any

import pytest

from quarry.grading.grader import grade
from quarry.grading.verdict import Verdict
from tests.grading.code_problems import golden_code

SAMPLES = {format: golden_code(format)[0] for format in ("humaneval", "mbpp")}
CASES = [
    pytest.param(format, case, id=f"{format} {n}: {case['note']}")
    for format in SAMPLES
    for n, case in enumerate(golden_code(format)[1])
]


@pytest.mark.parametrize(("format", "case"), CASES)
def test_a_code_completion_gets_its_verdict(format: str, case: dict[str, Any]) -> None:
    sample = SAMPLES[format][case["problem"]]
    reason = case.get("finish_reason")
    result = grade(sample, format, case["completion"], finish_reason=reason)
    assert result.verdict is Verdict(case["verdict"]), (result.evidence, result.extracted)


def test_the_tables_are_large_enough_to_mean_something() -> None:
    notes = [case["note"] for format in SAMPLES for case in golden_code(format)[1]]
    assert len(notes) >= 60
    assert sum(note.startswith("defect 9") for note in notes) >= 4
