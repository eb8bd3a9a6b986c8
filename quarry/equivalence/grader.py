"""`EquivalenceGrader`: the contract of whatever decides whether a completion means the target.

Rules live in `rules`, language models in `judged`; what "the same" means is said by a `rubric`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

Outcome = Literal["equivalent", "not_equivalent", "ungraded"]


@dataclass(frozen=True)
class GradingItem:
    """One completion to be decided on.

    Args:
        prompt: what the model was given.
        target: the completion that is right, such as ` Grace Miller`.
        completion: what the model wrote, as generated; data, never instructions.
    """

    prompt: str
    target: str
    completion: str


@dataclass(frozen=True)
class Decision:
    r"""What came of one item.

    Args:
        outcome: `ungraded` is its own state and never counts as `not_equivalent`.
        reasoning: why, as the grader says it; of both outcomes.
        trimmed: the prefix of the completion that answers, such as ` Grace Miller` of
            ` Grace Miller\nQ:`; None where the grader names none.
        decided_by: `rules`, or the model that decided as its provider names it.
        reason: why an item is ungraded, such as `spend limit`; empty otherwise.
    """

    outcome: Outcome
    reasoning: str
    trimmed: str | None
    decided_by: str
    reason: str = ""


@dataclass(frozen=True)
class CanaryResult:
    """An item with a known answer that was graded among the others.

    Args:
        name: of the canary in its rubric.
        expected: the known outcome.
        got: what the grader said.
    """

    name: str
    expected: Outcome
    got: Outcome

    @property
    def is_right(self) -> bool:
        """Whether the grader said what is known."""
        return self.expected == self.got


@dataclass(frozen=True)
class GradingUsage:
    """What grading took.

    Args:
        by_rules: items that rules settled for nothing.
        from_cache: items whose decision was paid for earlier.
        calls: requests sent to a model, canaries and repeated ones included.
        input_tokens: as billed.
        output_tokens: as billed.
        usd: their price; 0 where a model costs nothing.
    """

    by_rules: int = 0
    from_cache: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class EquivalenceGrader(ABC):
    """Decides on items under one rubric; a context manager."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """All that a decision depends on beside the item: plain JSON, stored with the decisions.

        Kind of grader, its version, rubric name and digest; of a model also its id and parameters.
        """

    @abstractmethod
    def grade(
        self, items: Sequence[GradingItem], *, log: Callable[[str], None]
    ) -> Iterator[tuple[int, Decision]]:
        """Yield one decision for each item as soon as it is safe, in any order.

        Args:
            items: distinct ones.
            log: takes lines about progress, waiting and money.

        Yields:
            The item's position and its decision; every position exactly once. An item that could
            not be decided is `ungraded`, with the reason.

        Raises:
            QuarryError: nothing can be graded at all, such as a refused key; what was decided
                before is kept by the grader and free the next time.
        """

    @property
    @abstractmethod
    def canaries(self) -> Sequence[CanaryResult]:
        """What each canary showed last, in this run or an earlier one under the same rubric."""

    @property
    @abstractmethod
    def usage(self) -> GradingUsage:
        """What this grader did and used since it was opened."""

    def close(self) -> None:
        """Give up connections and models; a second call does nothing."""
        return

    def __enter__(self) -> Self:
        """The grader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the grader."""
        self.close()
