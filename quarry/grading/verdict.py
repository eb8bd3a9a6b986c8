"""`Verdict` and `Grade`: what grading one completion can come to.

Incorrect, no answer, truncated output, timeout and grader error are five different things and are
never folded into one another. How a verdict is reached lives in `numeric`, `choice` and `code`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The outcome of grading one completion."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    NO_ANSWER = "no_answer"
    """The completion ended by itself and states no answer that could be right or wrong."""
    TRUNCATED = "truncated"
    """The completion was cut at the token limit before it stated an answer."""
    TIMEOUT = "timeout"
    """The program ran longer than it may; neither right nor wrong."""
    ERROR = "error"
    """The grader failed or the sample can't be graded; says nothing about the completion."""

    @property
    def is_graded(self) -> bool:
        """Whether the completion itself was judged; `timeout` and `error` were not."""
        return self not in {Verdict.TIMEOUT, Verdict.ERROR}


@dataclass(frozen=True)
class Grade:
    """A verdict and how it was reached.

    Args:
        verdict: the outcome.
        extracted: the answer found, normalised: a number, a letter or the program that was run.
        evidence: plain JSON values for a person: rule that matched, span, first failing test, time.
        grader: name of the grader, such as `numeric`.
        grader_version: raised with every change that can move a verdict.
        is_officially_correct: what the benchmark's published grader says of the whole untouched
            completion; None where there is none, or where the completion could not be judged.
    """

    verdict: Verdict
    extracted: str | None
    grader: str
    grader_version: str
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_officially_correct: bool | None = None
