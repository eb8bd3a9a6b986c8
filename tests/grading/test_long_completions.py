"""A model caught in a loop writes long repetitions; grading them takes no longer than others."""

from __future__ import annotations

import time

import pytest

from quarry.grading.choice import grade_choice
from quarry.grading.code import prepare_code
from quarry.grading.numeric import grade_numeric
from tests.grading.code_problems import golden_code

REPEATED = [
    "\n",
    " ",
    "*",
    "\\boxed{",
    "1,",
    "9 + ",
    "The answer is ",
    "A ",
    "(\n",
    "x = 1\n",
    "```\n",
]
N_CHARACTERS = 60_000
ENOUGH_S = 5.0  # 0.7 s at most where this was measured; quadratic patterns took 8 to 200 s


@pytest.mark.parametrize("repeated", REPEATED)
def test_a_long_repetition_is_graded_in_time(repeated: str) -> None:
    text = repeated * (N_CHARACTERS // len(repeated)) + "!"
    started = time.perf_counter()
    grade_numeric("18", text)
    grade_choice("A", ("one", "two", "three", "four"), text)
    for format in ("humaneval", "mbpp"):
        sample = next(iter(golden_code(format)[0].values()))
        prepare_code(sample, text, format=format)
    assert time.perf_counter() - started < ENOUGH_S
