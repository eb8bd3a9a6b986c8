"""`NecessityMethod`: the contract of a way to test whether a model needs its chain of thought.

A method answers each problem twice, with thoughts and without. Whether an answer is right, and how
work is kept, is not its business: see `quarry.necessity.verdicts` and `quarry.necessity.shard`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from quarry.inference.engine import FinishReason
from quarry.necessity.problem import Problem


@dataclass(frozen=True)
class Answer:
    """What a model wrote.

    Args:
        text: its output.
        finish_reason: why it ended; None where that is not known.
    """

    text: str
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Attempt:
    """One problem, answered twice.

    Args:
        baseline: with its thoughts.
        ablated: without.
    """

    baseline: Answer
    ablated: Answer


class NecessityMethod(ABC):
    """Answers problems with and without thoughts. A context manager: leaving it frees the model."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Method, model and all settings that decide an answer: plain JSON, kept with results."""

    @abstractmethod
    def attempt(self, problems: Sequence[Problem]) -> Sequence[Attempt | Exception]:
        """Answer each problem twice, in order.

        What goes wrong with one problem alone, such as a question that is too long, comes in its
        place.

        Raises:
            QuarryError: nothing could be answered.
        """

    def facts(self) -> dict[str, Any]:
        """What the work took, for metadata."""
        return {}

    def close(self) -> None:  # noqa: B027  a method may have nothing to free
        """Free the model's memory; a second call does nothing."""

    def __enter__(self) -> Self:
        """The method itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the method."""
        self.close()
