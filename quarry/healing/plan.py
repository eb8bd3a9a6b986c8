"""`HealPlan`: what is done now, what waits, what needs a person; and the same as text and as JSON.

How it is made is in `policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from quarry.audit.plan import Priority
from quarry.healing.health import Action
from quarry.keys import TrajectoryKey
from quarry.size_text import size_text

Idle = Literal["healthy", "running", "unverified"]


@dataclass(frozen=True)
class HealStep:
    """One action that is due.

    Args:
        key: the cell.
        action: what to do.
        reason: what was found, as one sentence without the full stop.
        ruled_out: each cheaper action that will not do, and why.
        priority: as in the audit.
        size_bytes: at most so much is sent or fetched.
        gpu_hours: at most this much; salvage may save most of it.
        attempt: the number of this attempt since the cell was last whole, from 1.
        is_copy_refuted: whether the store's object proved wrong; an upload then has to be sent
            `again`, although the object claims to be the same.
    """

    key: TrajectoryKey
    action: Action
    reason: str
    ruled_out: tuple[str, ...]
    priority: Priority
    size_bytes: int
    gpu_hours: float
    attempt: int
    is_copy_refuted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "partition": self.key.partition,
            "action": self.action,
            "priority": self.priority,
            "reason": self.reason,
            "ruled_out": list(self.ruled_out),
            "size_bytes": self.size_bytes,
            "gpu_hours": self.gpu_hours,
            "attempt": self.attempt,
            "is_copy_refuted": self.is_copy_refuted,
        }

    def __str__(self) -> str:
        """One line for a person."""
        costs = [f"up to {size_text(self.size_bytes)}"] if self.size_bytes else []
        costs += [f"up to {self.gpu_hours:g} GPU hours"] if self.gpu_hours else []
        told = "; ".join([self.reason, *(f"not {one}" for one in self.ruled_out)])
        cost = ", ".join([f"attempt {self.attempt}", *costs])
        return f"{self.priority} {self.action} {self.key} ({cost}): {told}"


@dataclass(frozen=True)
class Waiting:
    """A cell in trouble for which nothing is done yet.

    Args:
        key: the cell.
        action: what will be done; None where that can't be known yet.
        why: what it waits for.
        until: the earliest time, in UTC, where there is one.
    """

    key: TrajectoryKey
    action: Action | None
    why: str
    until: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "partition": self.key.partition,
            "action": self.action,
            "why": self.why,
            "until": None if self.until is None else self.until.isoformat(timespec="seconds"),
        }

    def __str__(self) -> str:
        """One line for a person."""
        until = "" if self.until is None else f", until {self.until:%Y-%m-%d %H:%M} UTC"
        return f"{self.action or 'nothing yet'} {self.key}: {self.why}{until}"


@dataclass(frozen=True)
class Stopped:
    """A cell that is not tried again before a person has looked.

    Args:
        key: the cell.
        why: what was found, and why it is not tried again.
        tried: each attempt that counts, oldest first: time, action and outcome.
        last_error: what went wrong last; may be empty.
        what_to_do: advice.
    """

    key: TrajectoryKey
    why: str
    tried: tuple[str, ...]
    last_error: str
    what_to_do: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "partition": self.key.partition,
            "why": self.why,
            "tried": list(self.tried),
            "last_error": self.last_error,
            "what_to_do": self.what_to_do,
        }

    def lines(self) -> Iterator[str]:
        """Some lines for a person."""
        yield f"{self.key}: {self.why}"
        yield f"  tried: {'; '.join(self.tried)}"
        if self.last_error:
            yield f"  last error: {self.last_error}"
        yield f"  what to do: {self.what_to_do}"


@dataclass(frozen=True)
class HealPlan:
    """What healing does now, in order, and why it does not do more.

    Args:
        steps: what is done now, most urgent first.
        waiting: what is in trouble and not done now.
        stopped: what needs a person.
        idle: number of cells by why nothing is to be done with them.
        spent_bytes: what the attempts begun today (UTC) moved, in bytes.
        bytes_per_day: the budget for that.
        spent_gpu_hours: what these attempts cost.
        gpu_hours_per_day: the budget for that.
    """

    steps: tuple[HealStep, ...]
    waiting: tuple[Waiting, ...]
    stopped: tuple[Stopped, ...]
    idle: Mapping[Idle, int]
    spent_bytes: int
    bytes_per_day: int
    spent_gpu_hours: float
    gpu_hours_per_day: float

    def explanation(self) -> str:
        """Several lines for a log or a terminal."""
        return "\n".join(self._lines())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "steps": [one.as_dict() for one in self.steps],
            "waiting": [one.as_dict() for one in self.waiting],
            "stopped": [one.as_dict() for one in self.stopped],
            "idle": dict(self.idle),
            "spent_bytes": self.spent_bytes,
            "bytes_per_day": self.bytes_per_day,
            "spent_gpu_hours": self.spent_gpu_hours,
            "gpu_hours_per_day": self.gpu_hours_per_day,
        }

    def _lines(self) -> Iterator[str]:
        """Counts, budgets, then every cell that is not idle."""
        idle = ", ".join(f"{count} {name}" for name, count in self.idle.items() if count)
        yield (
            f"{len(self.steps)} to do now, {len(self.waiting)} waiting, {len(self.stopped)} for a "
            f"person; of the other cells {idle or 'there are none'}."
        )
        yield (
            f"Used today: {size_text(self.spent_bytes)} of {size_text(self.bytes_per_day)}, "
            f"{self.spent_gpu_hours:g} of {self.gpu_hours_per_day:g} GPU hours."
        )
        if self.steps:
            yield "Now, in this order:"
            yield from (f"  {number}. {one}" for number, one in enumerate(self.steps, start=1))
        if self.waiting:
            yield "Waiting:"
            yield from (f"  {one}" for one in self.waiting)
        if self.stopped:
            yield "Not tried again before a person has looked:"
            yield from (f"  {line}" for one in self.stopped for line in one.lines())
