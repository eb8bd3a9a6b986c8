"""The scheduled scrub: which files are verified in full today, so that every file comes round.

Disks rot silently, so what was proven once is proven again, a bit a day. `choose` is the whole
policy, pure and without a clock of its own; `quarry.cli.scrub` and `sensors.scrub` act on it, and
what was verified when is remembered by them. Days are days of UTC.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b

from quarry.errors import UsageError
from quarry.scrub_budget import Budget
from quarry.scrub_plan import Account, ScrubItem, ScrubPlan

__all__ = ["Account", "Budget", "ScrubItem", "ScrubPlan", "choose", "target_days"]

_DAY = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_RESERVE_SHARE = 10
"""One day in so many is kept in reserve for runs that do not happen."""


def choose(
    items: Sequence[ScrubItem],
    budget: Budget,
    period_days: int,
    now: datetime,
    *,
    account: Account | None = None,
    must_cover: bool = True,
) -> ScrubPlan:
    """Choose what is verified today.

    The promise: every item is verified at least once in `period_days`, counted from its last
    verification or, if that is later, from when it became known. A tenth of the period, rounded
    up, is kept in reserve (except for a period of one day): as many consecutive daily runs may
    fail to happen. After a longer outage the first run takes all that is overdue.

    The rule:

    1. The order is: never verified first, then the longest unverified, ties by a hash of the name.
    2. Items are taken while something is left of the day's budget. What the last one exceeds is
       owed, and the following days pay for it: n days read less than n budgets and one item.
    3. An item larger than a whole budget is taken alone: the day before it stops short. So a day
       reads less than two budgets, or one item. Days that owe a whole budget or more take nothing;
       every other day takes at least one item.
    4. What a day leaves is not saved up, and nothing is taken twice on one day.
    5. With `must_cover`, the day's budget is raised to the least constant rate that keeps every
       deadline, so that what a small budget can't do is spread over the period instead of falling
       due at its end. On such a day, and when due, an item need not be alone; what was raised is
       not owed. Without `must_cover` the budget holds and the period may not.

    Args:
        items: everything there is, with distinct names.
        budget: what is read a day where there is a choice.
        period_days: how long an item may go unverified.
        now: the present; a verification more than a day later proves nothing.
        account: what the latest scrub left.
        must_cover: whether the promise goes before the budget.

    Raises:
        UsageError: the period is less than a day.
    """
    today, days = now.astimezone(UTC).date(), target_days(period_days)
    known = [_as_of(item, now) for item in items]
    total_bytes = sum(map(_cost, known))
    daily_bytes = budget.bytes_of(total_bytes)
    queue = [
        _Turn(item, _runs_left(item, days, now) if must_cover else None)
        for item in sorted(known, key=_order)
        if not _had_its_turn(item, today)
    ]
    left_bytes = _left(account, daily_bytes, today)
    needed_bytes = _needed(queue, daily_bytes - left_bytes)
    allowed_bytes = max(left_bytes, needed_bytes)
    is_raised = allowed_bytes > left_bytes
    chosen = tuple(_take(queue, allowed_bytes, None if is_raised else daily_bytes))
    period_ago = now - timedelta(days=period_days)
    return ScrubPlan(
        chosen=chosen,
        overdue=tuple(turn.item for turn in queue if turn.item.is_older_than(period_ago)),
        n_items=len(items),
        total_bytes=total_bytes,
        daily_bytes=daily_bytes,
        allowed_bytes=allowed_bytes,
        is_raised=is_raised,
        sufficient_bytes=_sufficient([_cost(item) for item in known], days),
        day=today,
        next_day=None if chosen or not items else _next_day(left_bytes, daily_bytes, today),
    )


def target_days(period_days: int) -> int:
    """The days within which an item is really verified: the period less its reserve.

    Raises:
        UsageError: the period is less than a day.
    """
    if period_days < 1:
        raise UsageError(
            "A scrub period is too short",
            where="the period in days",
            expected="1 or more",
            got=str(period_days),
            fix="give a whole number of days, such as 30",
        )
    return max(1, period_days - math.ceil(period_days / _RESERVE_SHARE))


@dataclass(frozen=True)
class _Turn:
    """An item in the queue, with the daily runs before its deadline; None if it has none."""

    item: ScrubItem
    runs_left: int | None


def _as_of(item: ScrubItem, now: datetime) -> ScrubItem:
    """The item without times that lie ahead: a clock was wrong, and nothing is proven."""
    verified, known = item.last_verified, item.known_since
    return replace(
        item,
        last_verified=None if verified is None or verified > now + _DAY else verified,
        known_since=None if known is None else min(known, now),
    )


def _cost(item: ScrubItem) -> int:
    """What an item takes from the budget: next to nothing if its file has vanished, not nothing."""
    return max(1, item.size_bytes)


def _order(item: ScrubItem) -> tuple[datetime, bytes]:
    """The sort key of the queue."""
    name = item.name.encode("utf-8", "surrogateescape")
    return item.last_verified or _NEVER, blake2b(name, digest_size=8).digest()


def _had_its_turn(item: ScrubItem, today: date) -> bool:
    """Whether an item was verified today."""
    verified = item.last_verified
    return verified is not None and verified.astimezone(UTC).date() >= today


def _runs_left(item: ScrubItem, days: int, now: datetime) -> int | None:
    """How many daily runs, today's included, come before an item's deadline; at least 1."""
    start = item.period_start
    return None if start is None else max(1, (start + days * _DAY - now) // _DAY + 1)


def _left(account: Account | None, daily_bytes: int, today: date) -> int:
    """What may be begun today, from what the latest day left."""
    if account is None or account.day > today + _DAY:  # a clock was wrong
        return daily_bytes
    days = (today - account.day).days
    if days <= 0:
        return min(daily_bytes, account.left_bytes)
    return min(daily_bytes, min(0, account.left_bytes) + days * daily_bytes)


def _needed(queue: Sequence[_Turn], owed_bytes: int) -> int:
    """The least that must be begun today so that a constant rate keeps every deadline.

    An item is reached on one of its `n` runs if all that goes before it, and what is owed, is less
    than `n` daily rates. Taking items in order keeps that true from one day to the next.
    """
    rate_bytes, before_bytes = 0, owed_bytes
    for turn in queue:
        if turn.runs_left is not None:
            rate_bytes = max(rate_bytes, before_bytes // turn.runs_left + 1)
        before_bytes += _cost(turn.item)
    return rate_bytes - owed_bytes


def _take(
    queue: Sequence[_Turn], allowed_bytes: int, large_bytes: int | None
) -> Iterator[ScrubItem]:
    """Items in order while something is left; one above `large_bytes` only as the first."""
    left_bytes, is_first = allowed_bytes, True
    for turn in queue:
        cost = _cost(turn.item)
        is_large = large_bytes is not None and cost > large_bytes and turn.runs_left != 1
        if left_bytes <= 0 or (is_large and not is_first):
            return
        yield turn.item
        left_bytes, is_first = left_bytes - cost, False


def _sufficient(costs: Sequence[int], days: int) -> int:
    """The least budget that never has to be raised, in any order of the items.

    A round takes `total // budget + 1` days, one more before each item that is taken alone, and one
    since what was verified on the same day comes again in any order.
    """
    total_bytes = sum(costs)
    if days < 3:
        return total_bytes

    def is_enough(daily_bytes: int) -> bool:
        n_alone = sum(cost > daily_bytes for cost in costs)
        return total_bytes // daily_bytes + 2 + n_alone <= days

    return bisect_left(range(1, total_bytes), True, key=is_enough) + 1


def _next_day(left_bytes: int, daily_bytes: int, today: date) -> date:
    """The first day on which something is left, tomorrow at the earliest."""
    return today + max(1, -left_bytes // daily_bytes + 1) * _DAY
