"""The words of the scrub: what takes its turn, and what is planned for a day.

How the plan is made is in `quarry.scrub`. Days are days of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from quarry.size_text import size_text


@dataclass(frozen=True)
class ScrubItem:
    """A file that takes its turn.

    Args:
        name: what identifies it, such as a path or a partition key.
        size_bytes: what verifying it reads; 0 for a file that has vanished.
        last_verified: when it was last verified in full, whatever came of it; None for never.
        known_since: when it appeared. Its first period begins then, or at `last_verified` if that
            is later. None for an item that is never due, only first in the queue.
    """

    name: str
    size_bytes: int
    last_verified: datetime | None
    known_since: datetime | None = None

    @property
    def period_start(self) -> datetime | None:
        """When the period began in which it has to be verified next."""
        times = [time for time in (self.last_verified, self.known_since) if time is not None]
        return max(times) if times else None

    def is_older_than(self, time: datetime) -> bool:
        """Whether the period began before a time."""
        start = self.period_start
        return start is not None and start < time


@dataclass(frozen=True)
class Account:
    """What a day's scrub left of its budget: the only memory between two days.

    Args:
        day: the day, in UTC.
        left_bytes: what was left; negative where more was read, which the next days pay for.
    """

    day: date
    left_bytes: int


@dataclass(frozen=True)
class ScrubPlan:
    """What to verify today, and how the budget stands.

    Args:
        chosen: what to verify, in this order.
        overdue: what went unverified for longer than the period.
        n_items: how many items there are.
        total_bytes: how much all of them are.
        daily_bytes: what the budget gives a day.
        allowed_bytes: what may be begun today: the budget less what is owed, or more than that
            where the period demands it.
        is_raised: whether the period demands more than the budget.
        sufficient_bytes: a daily budget that keeps the period by itself, in any order.
        day: today, in UTC.
        next_day: where nothing is chosen, the day by which something is; None without any items.
    """

    chosen: tuple[ScrubItem, ...]
    overdue: tuple[ScrubItem, ...]
    n_items: int
    total_bytes: int
    daily_bytes: int
    allowed_bytes: int
    is_raised: bool
    sufficient_bytes: int
    day: date
    next_day: date | None

    @property
    def size_bytes(self) -> int:
        """How much the chosen items are."""
        return sum(item.size_bytes for item in self.chosen)

    @property
    def suffices(self) -> bool:
        """Whether the budget alone brings every item round within the period."""
        return self.daily_bytes >= self.sufficient_bytes

    def account(self, read_bytes: int) -> Account:
        """What is left of today's budget after so much was read."""
        return Account(self.day, self.allowed_bytes - read_bytes)

    def explanation(self) -> str:
        """Sentences for a log or a terminal."""
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        """What is chosen, why it is as much, and what to do about a budget that is too small."""
        if self.chosen:
            yield (
                f"{len(self.chosen)} of {self.n_items} files chosen, "
                f"{size_text(self.size_bytes)} of {size_text(self.total_bytes)}; "
                f"the budget is {size_text(self.daily_bytes)} a day."
            )
        elif self.next_day is None:
            yield "There is nothing to verify."
        else:
            reason = "earlier days read ahead" if self.allowed_bytes <= 0 else "all is verified"
            yield f"Nothing to verify today: {reason}. The next is due by {self.next_day}."
        if self.is_raised and self.chosen:
            yield "The budget is raised for today, since the period could not be kept otherwise."
        if self.overdue:
            yield f"{len(self.overdue)} files went unverified for longer than the period."
        if self.n_items and not self.suffices:
            needed = size_text(self.sufficient_bytes)
            yield f"To keep the period by itself the budget would have to be {needed} a day."
