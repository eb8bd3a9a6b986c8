"""A model caught in a loop writes long repetitions; grading them takes no longer than others.

Every repetition in the graders' patterns whose characters the next part could match as well is
bounded, windows behind a marker have a fixed width, and what is sliced per match is capped. So the
work grows with the length of a text and not with its square: with one open repetition, each text
below took minutes. No time is asserted; the limit of the test is what a quadratic pattern breaks.
"""

from __future__ import annotations

import pytest

from quarry.grading.choice import grade_choice
from quarry.grading.code import prepare_code
from quarry.grading.numeric import grade_numeric
from quarry.grading.program_source import compile_error
from quarry.grading.verdict import Grade
from tests.grading.code_problems import golden_code

CODE_REPEATED = ["\n", " ", "*", "1,", "A ", "(\n", "x = 1\n", "```\n"]
N_CODE_CHARACTERS = 60_000
ENOUGH_S = 60

REPEATED = [
    *("\n", " ", "\t", "*", "_", "#", "=", "-", "$", "{", "}", "(", "\\", "9", ".", ",", "'", "|"),
    *("1,", "11,", "111,", "1 ", "111 ", "1.", "111.", "1/", "9 + ", "9=", "2:3 ", "1e", "½", "¹"),
    *(
        "\\boxed{",
        "\\boxed",
        "\\boxed{\\text{",
        "\\boxed{1}",
        "\\boxed{9^9}",
        "\\frac{1}",
        "\\frac",
    ),
    *(
        "####",
        "#### ",
        "#### 1. a\n",
        "#### 1",
        "#### 1 + ",
        "A:",
        "A: 1 ",
        "A:\n",
        "Answer",
        "answer",
    ),
    *(
        "The answer is ",
        "The answer is 9 + ",
        "answer is\n",
        "answer: 1 eggs laid\n",
        "final answer ",
    ),
    *("A ", "B, ", "A or ", "(A) ", "A. x\n", "A\n", "**A** ", "So A ", "is A ", "A is ", "a "),
    *(
        "**1",
        "**",
        "__1",
        "__",
        "<answer>",
        "<b>",
        "Question:",
        "Context:",
        "user\n",
        "Check: ",
        "and ",
    ),
    *(
        "3 hours and ",
        "18 dollars and 50 ",
        "2 million ",
        "18 or ",
        "not ",
        "if ",
        "the option ",
        "\n\n",
    ),
]
ENDINGS = ("!", "}" * 100, "\n9", " 9th")
PREFIXES = (
    "",
    "The answer is",
    "Answer:",
    "\\boxed{",
    "#### ",
    "A",
    "A is",
    "18",
    "Rome is young\n",
)
N_CHARACTERS = 200_000
OPTIONS = ("Rome is young", "Paris is old", "none", "one or two")


@pytest.mark.timeout(ENOUGH_S)
@pytest.mark.parametrize(("place", "repeated"), list(enumerate(REPEATED)))
def test_a_long_repetition_is_graded_in_time(place: int, repeated: str) -> None:
    body = repeated * (N_CHARACTERS // len(repeated))
    text = PREFIXES[place % len(PREFIXES)] + body + ENDINGS[place % len(ENDINGS)]
    grade_numeric("18", text)
    grade_choice("A", OPTIONS, text)


@pytest.mark.timeout(ENOUGH_S)
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("filling", [" ", "\n", "*", "a ", "9", "="])
def test_a_long_gap_behind_a_marker_is_graded_in_time(prefix: str, filling: str) -> None:
    text = prefix + filling * (N_CHARACTERS // len(filling)) + "?"
    grade_numeric("18", text)
    grade_choice("A", OPTIONS, text)


@pytest.mark.timeout(ENOUGH_S)
def test_boxes_within_boxes_are_graded_in_time() -> None:
    depth = N_CHARACTERS // len("\\boxed{}")
    for opening in ("\\boxed{", "\\boxed{\\text{"):
        text = opening * depth + "18" + "}" * opening.count("{") * depth
        assert grade_numeric("18", text).evidence["rule"] == "boxed"
        grade_choice("A", OPTIONS, text)


@pytest.mark.timeout(ENOUGH_S)
@pytest.mark.parametrize("repeated", CODE_REPEATED)
@pytest.mark.parametrize("format", ["humaneval", "mbpp"])
def test_a_long_repetition_for_a_program_is_read_in_time(repeated: str, format: str) -> None:
    text = repeated * (N_CODE_CHARACTERS // len(repeated)) + "!"
    sample = next(iter(golden_code(format)[0].values()))
    prepare_code(sample, text, format=format)


def test_a_long_chain_of_branches_is_graded() -> None:
    problems, _ = golden_code("humaneval")
    sample = next(iter(problems.values()))
    chain = "".join(f"    elif x == {n}:\n        return {n}\n" for n in range(1, 400))
    other = f"def g(x):\n    if x == 0:\n        return 0\n{chain}\nprint(g(1))\n"
    prepared = prepare_code(sample, f"{sample.target}\n\n{other}", "stop", format="humaneval")
    assert not isinstance(prepared.found, Grade)


def test_clauses_without_end_are_refused_and_not_compiled() -> None:
    assert compile_error(f"x = [1 {'for a in [] ' * 60_000}]") is not None
