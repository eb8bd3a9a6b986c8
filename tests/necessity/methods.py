"""A way to test necessity whose answers follow from the problems, and which can fail on request."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quarry.errors import PromptTooLongError
from quarry.necessity.method import Answer, Attempt, NecessityMethod
from quarry.necessity.problem import Problem


class ByTheLastDigit(NecessityMethod):
    """Right with thoughts unless the row ends in 9; right without where it ends in 0 .. 4.

    Args:
        diary: a line for every problem that was asked, so that another process can count them.
        fails: whether a problem can't be answered now.
        seed: a setting that decides answers.
    """

    def __init__(
        self,
        diary: Path,
        *,
        fails: Callable[[Problem], bool] = lambda problem: False,
        seed: int = 0,
    ) -> None:
        self.diary = diary
        self.fails = fails
        self.seed = seed

    def describe(self) -> dict[str, Any]:
        return {"method": "by the last digit", "seed": self.seed}

    def attempt(self, problems: Sequence[Problem]) -> list[Attempt | Exception]:
        return [self._one(problem) for problem in problems]

    def _one(self, problem: Problem) -> Attempt | Exception:
        with self.diary.open("a") as file:
            file.write(f"{problem.id}\n")
        if self.fails(problem):
            return PromptTooLongError("A question is too long", where=problem.id)
        last = int(problem.id[-1])
        right, wrong = Answer(f"#### {problem.answer}", "stop"), Answer("#### -1", "stop")
        return Attempt(wrong if last == 9 else right, right if last < 5 else wrong)

    def asked(self) -> list[str]:
        return self.diary.read_text().split() if self.diary.exists() else []


def problems(n: int) -> list[Problem]:
    """Problems with one step each."""
    return [
        Problem(
            f"train_{row}", f"What is {row} + 1?", str(row + 1), f"<<{row}+1={row + 1}>>", "train"
        )
        for row in range(n)
    ]
