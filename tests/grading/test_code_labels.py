"""What a completion is graded, and what the published grader says of the same text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarry.grading.code import prepare_code, run_prepared
from quarry.grading.examination import Examiners
from quarry.grading.verdict import Grade, Verdict
from quarry.samples import Sample
from tests.grading.code_problems import golden_code

TOTAL = golden_code("humaneval")[0]["total"]
DECODE = golden_code("humaneval")[0]["decode"]
DOUBLE = golden_code("mbpp")[0]["double"]
GOOD = "    return sum(n for n in numbers if n > 0)\n"
SHIFT_BACK = "    return ''.join(chr(ord(c) - 1) for c in text)\n"


@pytest.fixture
def graded(examiners: Examiners) -> Any:
    def one(
        sample: Sample, completion: str, format: str = "humaneval", reason: Any = None
    ) -> Grade:
        return run_prepared(prepare_code(sample, completion, reason, format=format), examiners)

    return one


@pytest.mark.parametrize(
    ("completion", "verdict", "is_official"),
    [
        (GOOD, "correct", True),
        ("    return 0\n", "incorrect", False),
        ("", "no_answer", False),
        (f"```python\ndef total(numbers):\n{GOOD}```", "correct", False),
        (GOOD + "\nIt's the sum.", "correct", False),
        (GOOD + "\nprint(total([1]))\n", "correct", True),
        (GOOD + "\nassert total([1]) == 2\n", "correct", False),
        (GOOD + "\nif __name__ == '__main__':\n    raise ValueError\n", "correct", True),
        (GOOD + "\nvalues = input()\n", "correct", False),
        (GOOD + "\ntry:\n    input()\nexcept EOFError:\n    pass\n", "correct", False),
        (GOOD + "\nexit()\n", "correct", False),
        (GOOD + "\ndef total(numbers):\n    return 0\n", "correct", False),
        ("    return 0\n\ndef total(numbers):\n" + GOOD, "incorrect", True),
        (GOOD + "\ndef", "correct", False),
        (GOOD + "# done", "correct", True),
        ("    return 4 \\", "incorrect", False),
        (GOOD + "\n@staticmethod", "correct", False),
        (GOOD + "\nsum = 5\n", "incorrect", False),
        (GOOD + "\0", "correct", False),
        ("    while True:\n        pass\n", "timeout", False),
        (GOOD.replace("return", "import os; os.getcwd(); return"), "correct", False),
        ("    import tempfile\n    tempfile.TemporaryFile().close()\n" + GOOD, "correct", True),
        ("<think>\nreturn 0\n</think>\n" + GOOD, "correct", False),
    ],
)
def test_a_completion_and_what_the_published_grader_says_of_it(
    completion: str, verdict: str, is_official: bool | None, graded: Any
) -> None:
    grade = graded(TOTAL, completion)
    if is_official:
        verdict = "correct"  # never harsher than the published grader
    assert (str(grade.verdict), grade.is_officially_correct) == (verdict, is_official)


def test_what_passes_as_published_was_run_once_and_says_so(
    examiners: Examiners, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs: list[str] = []
    run = examiners.examine

    def counted(program: str, tests: Any) -> Any:
        programs.append(program)
        return run(program, tests)

    monkeypatch.setattr(examiners, "examine", counted)
    grade = run_prepared(prepare_code(TOTAL, GOOD, format="humaneval"), examiners)
    assert programs == [TOTAL.input + GOOD + "\n"]
    assert grade.extracted == programs[0]
    assert grade.evidence["form"] == "official"
    assert grade.evidence["asserts_passed"] == 3
    wrong = "    # a comment\n\n    return (0)\n"
    grade = run_prepared(prepare_code(TOTAL, wrong, format="humaneval"), examiners)
    assert len(programs) == 2
    assert grade.evidence["form"] == "body"
    assert grade.evidence["failing_test"] == "assert candidate([1, -2, 3]) == 4"
    assert (grade.evidence["expected"], grade.evidence["got"]) == ("4", "0")


def test_both_runs_are_told_apart_in_the_evidence(graded: Any) -> None:
    grade = graded(TOTAL, GOOD + "\nassert total([1]) == 2\n")
    assert grade.evidence["form"] == "body"
    assert grade.evidence["official"] == "failed: AssertionError"
    assert grade.evidence["layer"] == "unconfined"


def test_a_helper_of_the_prompt_that_is_defined_anew_counts_as_published_only(graded: Any) -> None:
    cheat = "    return text\n\ndef encode(text: str):\n    return text\n"
    grade = graded(DECODE, cheat)
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.INCORRECT, True)
    wrong = SHIFT_BACK + "\ndef encode(text: str):\n    return text\n"
    grade = graded(DECODE, wrong)
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.CORRECT, False)
    assert graded(DECODE, SHIFT_BACK).is_officially_correct is True


def test_a_test_that_hands_over_a_function_is_an_error_and_no_verdict(graded: Any) -> None:
    test = "def check(candidate):\n    assert candidate(map(abs, [1])) == 1\n"
    sample = replace(TOTAL, metadata={**TOTAL.metadata, "test": test})
    grade = graded(sample, GOOD)
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.ERROR, None)
    assert "not gradeable" in grade.evidence["reason"]


def test_what_only_compiles_together_with_the_test_is_not_known_as_published(graded: Any) -> None:
    test = "def check(candidate):\n    assert candidate([1]) == 1\n"
    sample = replace(TOTAL, metadata={**TOTAL.metadata, "test": test})
    grade = graded(sample, GOOD + "\n@staticmethod")
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.CORRECT, None)


def test_mbpp_asserts_are_counted_one_by_one(graded: Any) -> None:
    grade = graded(DOUBLE, "def double(values):\n    return []\n", "mbpp")
    n_asserts = len(DOUBLE.metadata["test_list"])
    counts = grade.evidence["asserts_passed"], grade.evidence["asserts_failed"]
    assert sum(counts) == n_asserts
    assert counts[1] >= 1
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.INCORRECT, False)


def test_mbpp_in_a_fence_is_correct_and_not_as_published(graded: Any) -> None:
    fenced = f"Here:\n```python\n{DOUBLE.target}\n```\n"
    grade = graded(DOUBLE, fenced, "mbpp")
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.CORRECT, False)
    grade = graded(DOUBLE, DOUBLE.target, "mbpp")
    assert (grade.verdict, grade.is_officially_correct) == (Verdict.CORRECT, True)
