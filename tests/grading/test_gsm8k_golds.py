"""Every gold answer of GSM8K, written in many styles, is right; the same off by one is wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.grading.gsm8k_rules import lm_eval_verdicts
from quarry.grading.numeric import grade_numeric
from quarry.grading.verdict import Verdict
from quarry.samples import Sample

pytestmark = pytest.mark.shared

N_GOLDS = 8792
N_WITHOUT_STATEMENT = 8700
"""Solutions that do not say "answer" themselves; to the others a style adds a second one."""
SEED = 20260
STYLES = (
    "{steps}\n#### {n}",
    "{steps}\n#### {grouped}",
    "{steps}\n#### ${grouped}.",
    "{steps}\nThe answer is {n}.",
    "{steps}\n\n**Final Answer:** {grouped} dollars per day",
    "{steps}\n\nThe final answer is $\\boxed{{{latex}}}$. I hope it is correct.",
    " {n}\n\nQuestion: What is 7 + 6?\nAnswer: 7 + 6 = 13\n#### 13.",
    "A: {steps} The answer is {grouped}.\n\nQ: What is 7 + 6?\nA: The answer is 13.",
    "<think>{steps} Maybe 13?</think>\nIt comes to **{grouped}** in the end.",
    "{steps}\nAnswer: {n}.00",
    "{n}\n\nExplanation: {steps}",
)


@pytest.fixture(scope="module")
def golds(shared_data: Path) -> list[Sample]:
    source = BenchmarkSource(shared_data)
    return [sample for split in ("train", "test") for sample in source.load("gsm8k", split)]


def in_style(style: str, sample: Sample, value: int) -> str:
    steps = str(sample.metadata["solution"]).partition("####")[0].strip()
    grouped = f"{value:,}"
    return style.format(steps=steps, n=value, grouped=grouped, latex=grouped.replace(",", "{,}"))


def test_every_gold_solution_is_correct_here_and_by_every_published_rule(
    golds: list[Sample],
) -> None:
    assert len(golds) == N_GOLDS
    for sample in golds:
        solution = str(sample.metadata["solution"])
        grade = grade_numeric(sample.target, solution)
        assert (grade.verdict, grade.is_officially_correct) == (Verdict.CORRECT, True), sample.id
        assert all(rule.is_correct for rule in lm_eval_verdicts(solution, sample.target).values())


@pytest.mark.slow
def test_every_gold_answer_is_correct_and_its_neighbour_is_not(golds: list[Sample]) -> None:
    """Each answer in two of the styles, drawn by a seed, so that all styles meet all kinds."""
    draw = random.Random(SEED)
    silent = [each for each in golds if "answer" not in str(each.metadata["solution"]).lower()]
    assert len(silent) > N_WITHOUT_STATEMENT
    for sample in silent:
        for style in draw.sample(STYLES, 2):
            right, wrong = int(sample.target), int(sample.target) + draw.choice((-1, 1))
            completion = in_style(style, sample, right)
            assert grade_numeric(sample.target, completion).verdict is Verdict.CORRECT, completion
            completion = in_style(style, sample, wrong)
            grade = grade_numeric(sample.target, completion)
            assert grade.verdict is Verdict.INCORRECT, (completion, grade)
