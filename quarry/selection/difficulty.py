"""How hard a word problem is: the number of calculations in its gold solution."""

from __future__ import annotations

import re
from typing import Final, Literal

from quarry.errors import UsageError

Difficulty = Literal["2-step", "3-step", "4-step", "5+step"]

DIFFICULTIES: Final[tuple[Difficulty, ...]] = ("2-step", "3-step", "4-step", "5+step")
"""From easy to hard; `2-step` holds problems of fewer steps, too."""

_CALCULATION = re.compile(r"<<[^>]+>>")
# An amount such as `= $5` is not counted: so the published counts of the corpus come out.
_RESULT = re.compile(r"=\s*\d")


def reasoning_steps(solution: str) -> int:
    """The number of `<<…>>` blocks of a solution, of `= <number>` where it has no block.

    113 of GSM8K's 8,792 solutions have no block.
    """
    return len(_CALCULATION.findall(solution)) or len(_RESULT.findall(solution))


def difficulty_of(steps: int) -> Difficulty:
    """The difficulty of a problem with so many steps.

    Raises:
        UsageError: the number of steps is negative.
    """
    if steps < 0:
        raise UsageError(
            "A problem can't have a negative number of steps",
            expected="0 or more steps",
            got=str(steps),
            fix="pass what reasoning_steps returned",
        )
    if steps <= 2:
        return "2-step"
    return "3-step" if steps == 3 else "4-step" if steps == 4 else "5+step"
