"""The policy of healing: the cheapest sound action for each cell in trouble, within the budgets.

Pure, and without a clock of its own. Which action is sound is decided in `ladder`, what earlier
attempts mean in `past`. Days are days of UTC.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from quarry.audit.plan import Priority
from quarry.catalog_entries import HealSettings
from quarry.healing.health import Attempt, CellHealth
from quarry.healing.ladder import Rung, rung_of
from quarry.healing.past import Past, past_of
from quarry.healing.plan import HealPlan, HealStep, Idle, Stopped, Waiting
from quarry.scrub_budget import Budget
from quarry.size_text import size_text

_RANK: dict[Priority, int] = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
_IDLE: tuple[Idle, ...] = ("healthy", "running", "unverified")
_DAY = timedelta(days=1)
_WHAT_TO_DO = (
    "see the logs of these runs and mend the cause; then run the partition by hand, or clear the "
    "cell so that healing tries again"
)


@dataclass(frozen=True)
class _Purse:
    """One budget for a day.

    Args:
        name: what is spent, for people.
        limit: the budget.
        spent: by attempts that began today.
        had_large: whether an attempt of yesterday took more than the whole budget.
    """

    name: str
    limit: float
    spent: float
    had_large: bool

    def may_take(self, cost: float) -> bool:
        """Whether a step may be begun; one above the whole budget only as the day's first."""
        is_large_and_first = cost > self.limit > 0 and not self.spent
        return not cost or self.spent + cost <= self.limit or is_large_and_first

    def comes_first(self, cost: float) -> bool:
        """Whether a large step goes before smaller ones, so that they can't starve it.

        Not on the day after another one, so that it can't starve them.
        """
        return cost > self.limit > 0 and not self.spent and not self.had_large


def plan_healing(
    cells: Sequence[CellHealth],
    history: Sequence[Attempt],
    settings: HealSettings,
    now: datetime,
) -> HealPlan:
    """Choose what is done now.

    The rule:

    1. The action is the lowest rung of the ladder that is sound for the cell.
    2. A cell with a running attempt is left alone. After a failure it rests, twice as long after
       each further one, up to a day; after `most_failures` in a row a person has to look. A copy
       that proves unusable is no failure: the next rung is due at once. See `past`.
    3. The order is that of the audit: damaged files, then second copies, then what is missing;
       after that the fewest GPU hours, the fewest bytes, the name.
    4. Steps are taken in order as far as the day's budgets go; one that does not fit waits, and
       smaller ones behind it may still go.
    5. A step above a whole budget goes alone: on a day on which nothing of that budget was used.
       It then goes before the smaller ones of its priority, except on the day after such a one.

    Args:
        cells: every cell of the grid, in any order.
        history: past and running attempts, in any order; those of the latest 30 days, and all
            since each cell was last whole.
        settings: budgets and patience.
        now: the present, with a time zone.
    """
    by_cell: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in history:
        by_cell[attempt.partition].append(attempt)
    idle: Counter[Idle] = Counter()
    steps: list[HealStep] = []
    waiting: list[Waiting] = []
    stopped: list[Stopped] = []
    for cell in sorted(cells, key=lambda one: one.key.partition):
        past = past_of(by_cell[cell.key.partition], cell.last_good_at, now)
        match _judge(cell, past, settings, now):
            case HealStep() as step:
                steps.append(step)
            case Waiting() as wait:
                waiting.append(wait)
            case Stopped() as stop:
                stopped.append(stop)
            case name:
                idle[name] += 1
    daily_bytes = Budget.parse(settings.bytes_per_day).bytes_of(sum(c.size_bytes for c in cells))
    n_bytes = _purse("bytes", daily_bytes, history, now)
    gpu_hours = _purse("GPU hours", settings.gpu_hours_per_day, history, now)
    chosen = list(_take(steps, n_bytes, gpu_hours))
    taken = {step.key for step in chosen}
    late = [_put_off(step, daily_bytes, settings, now) for step in steps if step.key not in taken]
    return HealPlan(
        steps=tuple(chosen),
        waiting=tuple(sorted([*waiting, *late], key=lambda one: one.key.partition)),
        stopped=tuple(stopped),
        idle={name: idle[name] for name in _IDLE},
        spent_bytes=int(n_bytes.spent),
        bytes_per_day=daily_bytes,
        spent_gpu_hours=gpu_hours.spent,
        gpu_hours_per_day=settings.gpu_hours_per_day,
    )


def _judge(
    cell: CellHealth, past: Past, settings: HealSettings, now: datetime
) -> HealStep | Waiting | Stopped | Idle:
    """What becomes of one cell, budgets aside."""
    if past.is_running:
        return "running"
    rung = rung_of(cell, is_restore_refuted=past.is_restore_refuted)
    if rung is None:
        return "unverified" if cell.local == "unverified" else "healthy"
    if rung.action is None:
        return Waiting(cell.key, None, rung.reason, None)
    given_up = past.why_given_up(rung.action, settings)
    if given_up is not None:
        return _stop(cell, rung, past.counted(rung.action), given_up)
    until = past.rests_until(rung.action, settings)
    if until is not None and until > now:
        last = past.counted(rung.action)[-1]
        why = f"resting after {_told(last)}" + (f": {last.error}" if last.error else "")
        return Waiting(cell.key, rung.action, why, until.astimezone(UTC))
    is_collected = rung.action == "recollect"
    return HealStep(
        key=cell.key,
        action=rung.action,
        reason=rung.reason,
        ruled_out=rung.ruled_out,
        priority=rung.priority,
        size_bytes=0 if is_collected else cell.size_bytes,
        gpu_hours=cell.gpu_hours if is_collected else 0.0,
        attempt=len(past.attempts) + 1,
        is_copy_refuted=cell.is_copy_refuted or past.is_restore_refuted,
    )


def _stop(cell: CellHealth, rung: Rung, counted: Sequence[Attempt], why: str) -> Stopped:
    """A cell that is given up."""
    errors = [one.error for one in counted if one.error]
    return Stopped(
        key=cell.key,
        why=f"{why}: {'; '.join([rung.reason, *(f'not {one}' for one in rung.ruled_out)])}",
        tried=tuple(_told(one) for one in counted),
        last_error=errors[-1] if errors else "",
        what_to_do=_WHAT_TO_DO,
    )


def _told(attempt: Attempt) -> str:
    """An attempt in a few words."""
    outcome = attempt.outcome.replace("_", " ")
    return f"{attempt.action} on {attempt.started_at.astimezone(UTC):%Y-%m-%d %H:%M} ({outcome})"


def _purse(name: str, limit: float, history: Sequence[Attempt], now: datetime) -> _Purse:
    """A budget, with what today's attempts took of it."""
    today = now.astimezone(UTC).date()
    costs = [
        (_day(one), one.gpu_hours if name == "GPU hours" else one.size_bytes) for one in history
    ]
    return _Purse(
        name,
        limit,
        spent=sum(cost for day, cost in costs if day == today),
        had_large=any(cost > limit for day, cost in costs if day == today - _DAY),
    )


def _day(attempt: Attempt) -> date:
    """The day to which an attempt's cost belongs."""
    return attempt.started_at.astimezone(UTC).date()


def _take(steps: Sequence[HealStep], n_bytes: _Purse, gpu_hours: _Purse) -> Iterator[HealStep]:
    """Steps in order, as far as both budgets go."""

    def order(step: HealStep) -> tuple[int, bool, float, int, str]:
        is_first = n_bytes.comes_first(step.size_bytes) or gpu_hours.comes_first(step.gpu_hours)
        place = step.gpu_hours, step.size_bytes, step.key.partition
        return (_RANK[step.priority], not is_first, *place)

    left_bytes, left_hours = n_bytes, gpu_hours
    for step in sorted(steps, key=order):
        if left_bytes.may_take(step.size_bytes) and left_hours.may_take(step.gpu_hours):
            left_bytes = _after(left_bytes, step.size_bytes)
            left_hours = _after(left_hours, step.gpu_hours)
            yield step


def _after(purse: _Purse, cost: float) -> _Purse:
    """A budget after a step was taken."""
    return _Purse(purse.name, purse.limit, purse.spent + cost, purse.had_large)


def _put_off(step: HealStep, daily_bytes: int, settings: HealSettings, now: datetime) -> Waiting:
    """A step for which today's budget has no room."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + _DAY, datetime.min.time(), UTC)
    if step.action == "recollect":
        needs, has = f"{step.gpu_hours:g} GPU hours", f"{settings.gpu_hours_per_day:g} a day"
        is_never = not settings.gpu_hours_per_day
    else:
        needs, has = size_text(step.size_bytes), f"{size_text(daily_bytes)} a day"
        is_never = False
    why = f"it takes up to {needs}, and the budget of {has} has no room for that today"
    if is_never:
        why = f"it takes up to {needs}, and `heal.gpu_hours_per_day` is 0"
    return Waiting(step.key, step.action, why, None if is_never else tomorrow)
