"""`Caps`: what grading a set may come to, and how it is told that it has."""

from __future__ import annotations

from dataclasses import dataclass

from quarry.equivalence.judge_answer import NANO


class CapReachedError(Exception):
    """No more calls may be made; a signal inside the grader.

    Args:
        reason: for the items that are left.
        is_final: whether no call in flight can free what is missing.
        detail: for the person who may raise the limit.
    """

    def __init__(self, reason: str, *, is_final: bool = False, detail: str = "") -> None:
        """Keep all parts for the grader."""
        super().__init__(reason)
        self.is_final = is_final
        self.detail = detail


class CallsEndedError(Exception):
    """Nobody wants more calls; a signal inside the grader."""


@dataclass(frozen=True)
class Caps:
    """Limits of a set, over all its runs.

    Args:
        max_usd: most US dollars; None for no limit.
        max_calls: most calls, canaries and repeated ones included; None for any number.
    """

    max_usd: float | None
    max_calls: int | None = None

    def check(self, nano_usd: int, spent: int, n_calls: int) -> None:
        """Refuse a call that could go beyond a limit.

        Args:
            nano_usd: the most that it can cost, in billionths of a dollar.
            spent: of the set up to now, set aside or billed, in billionths of a dollar.
            n_calls: of the set up to now.

        Raises:
            CapReachedError: it could.
        """
        if self.max_calls is not None and n_calls >= self.max_calls:
            raise CapReachedError(
                f"limit of {self.max_calls} calls reached",
                is_final=True,
                detail="raise max_calls of the grader for more",
            )
        if self.max_usd is None or spent + nano_usd <= self.max_usd * NANO:
            return
        needed = f"${nano_usd / NANO:.4f}"
        reason = f"spend limit of ${self.max_usd:g} reached"
        if 0 < self.max_usd * NANO < nano_usd:
            reason = (
                f"spend limit of ${self.max_usd:g} is less than a call may cost, {needed}: "
                "raise max_usd of the grader"
            )
        raise CapReachedError(
            reason,
            detail=f"${spent / NANO:.4f} are spent on this set and the next call may cost {needed}"
            "; raise max_usd of the grader for more",
        )
