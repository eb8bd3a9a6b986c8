"""Which canaries go with which batch of items: some each time, of both outcomes, taking turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quarry.equivalence.asking import Question
from quarry.equivalence.grader import GradingItem
from quarry.equivalence.rubric import Canary


def with_canaries(
    questions: Sequence[Question],
    canaries: Sequence[Canary],
    *,
    every: int,
    at_once: int,
    n_before: int,
) -> Iterator[Question]:
    """Items in order, each batch of them after its canaries: a bad judge shows before it is paid.

    Args:
        questions: items.
        canaries: of the rubric.
        every: items a batch.
        at_once: canaries a batch.
        n_before: canaries asked before; the turn goes on from there.
    """
    turn = _alternating(canaries)
    for start in range(0, len(questions), every):
        for _ in range(min(at_once, len(turn))):
            yield _asked(turn[n_before % len(turn)])
            n_before += 1
        yield from questions[start : start + every]


def _alternating(canaries: Sequence[Canary]) -> list[Canary]:
    """The canaries, outcomes in turn as long as there are both."""
    sides = [
        [one for one in canaries if one.expected == side]
        for side in ("equivalent", "not_equivalent")
    ]
    longest = max(map(len, sides), default=0)
    return [side[row] for row in range(longest) for side in sides if row < len(side)]


def _asked(canary: Canary) -> Question:
    """A canary as a judge sees it: like any item."""
    return Question(GradingItem(canary.prompt, canary.target, canary.completion), canary=canary)
