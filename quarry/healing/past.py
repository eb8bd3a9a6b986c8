"""What a cell's past attempts mean: failures in a row, how long it rests, whether it is given up.

A cell is given up after so many failures in a row; and after as many successes within 30 days that
did not last, since a file that is mended again and again lies on a bad disk, or is refused by a
check that mending can't satisfy. Uploads are given up only where the file here did not change
between them: then somebody else writes to the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quarry.catalog_entries import HealSettings
from quarry.healing.health import Action, Attempt

RELAPSE = timedelta(days=30)
"""A success is one that did not last if the same trouble is back within this time."""

LONGEST_REST = timedelta(days=1)


@dataclass(frozen=True)
class Past:
    """What past attempts mean for the present.

    Args:
        now: the present.
        is_running: whether one is under way.
        is_restore_refuted: whether no copy could give the bytes, when that was last tried.
        n_failures: failures in a row.
        attempts: what was tried since the cell was last whole, oldest first.
        healed: successes of the latest 30 days, oldest first.
        last_good_at: when the cell was last known to be whole.
    """

    now: datetime
    is_running: bool
    is_restore_refuted: bool
    n_failures: int
    attempts: tuple[Attempt, ...]
    healed: tuple[Attempt, ...]
    last_good_at: datetime | None = None

    def rests_until(self, action: Action, settings: HealSettings) -> datetime | None:
        """When the cell may be tried again; None for at once.

        The rest doubles with each failure and each success that did not last, up to a day. A copy
        that could not help is none of these: the next rung is due at once. Nor does a failed upload
        delay the mending of the file here, which may be why it failed.
        """
        resting = [one for one in self.attempts if not _is_refutation(one)]
        resting = _of_kind(resting, action) + self._relapses(action)
        ends = [one.ended_at for one in resting if one.ended_at is not None]
        if not ends:
            return None
        doublings = min(len(ends) - 1, 20)
        rest = timedelta(minutes=settings.backoff_minutes) * 2**doublings
        return min(max(ends), self.now) + min(rest, LONGEST_REST)  # clocks can be set back

    def why_given_up(self, action: Action, settings: HealSettings) -> str | None:
        """Why a person has to look first; None where the cell may be tried."""
        if self.n_failures >= settings.most_failures:
            return f"{self.n_failures} attempts in a row failed"
        n_relapses = len(self._relapses(action))
        n_copied = sum(
            one.action == "upload"
            and self.last_good_at is not None
            and one.started_at > self.last_good_at
            for one in self.healed
        )
        if action == "upload" and n_copied >= settings.most_failures:
            return (
                f"this very file was stored {n_copied} times within {RELAPSE.days} days, and each "
                "time something else took its place: is another machine or program writing there?"
            )
        if action != "upload" and n_relapses >= settings.most_failures:
            return f"it was healed {n_relapses} times within {RELAPSE.days} days and is not whole"
        return None

    def counted(self, action: Action) -> tuple[Attempt, ...]:
        """The attempts that speak against another one, oldest first."""
        both = [*self._relapses(action), *_of_kind(self.attempts, action)]
        return tuple(sorted(both, key=lambda one: one.started_at))

    def _relapses(self, action: Action) -> list[Attempt]:
        """Successes of the same kind that did not last."""
        return _of_kind(self.healed, action)


def _of_kind(attempts: Sequence[Attempt], action: Action) -> list[Attempt]:
    """Those that mended the file here, or those that mended its copy."""
    return [one for one in attempts if (one.action == "upload") == (action == "upload")]


def past_of(attempts: Sequence[Attempt], last_good_at: datetime | None, now: datetime) -> Past:
    """What the attempts for one cell mean.

    Args:
        attempts: all of them, in any order.
        last_good_at: when the cell was last known to be whole.
        now: the present.
    """
    ordered = sorted(attempts, key=lambda one: (one.started_at, one.outcome))
    is_running = any(one.outcome == "running" for one in ordered)
    ended = _after_last(ordered, "cleared")
    last_good_at = _forgiving(last_good_at, ended, now)
    since = [
        one
        for one in _after_last(ended, "healed")
        if last_good_at is None or one.started_at > last_good_at
    ]
    since = [one for one in since if one.outcome != "running"]
    return Past(
        now=now,
        is_running=is_running,
        is_restore_refuted=any(_is_refutation(one) for one in since),
        n_failures=sum(_is_failure(one) for one in since),
        attempts=tuple(since),
        healed=tuple(
            one for one in ended if one.outcome == "healed" and one.started_at > now - RELAPSE
        ),
        last_good_at=last_good_at,
    )


def _forgiving(
    last_good_at: datetime | None, attempts: Sequence[Attempt], now: datetime
) -> datetime | None:
    """The time before which failures are forgotten; None where nothing is to be forgotten.

    A run that made the file and failed in a later step was followed by the trouble at hand, so what
    it made was no end of it. A time to come was set by a wrong clock.
    """
    if last_good_at is None or last_good_at > now:
        return None
    is_own_doing = any(
        one.started_at <= last_good_at <= (one.ended_at or now) and one.outcome != "healed"
        for one in attempts
    )
    return None if is_own_doing else last_good_at


def _is_failure(attempt: Attempt) -> bool:
    """Whether an attempt counts towards giving a cell up; one that used a GPU always does."""
    if attempt.outcome == "unreachable":
        return attempt.action == "recollect"
    return not _is_refutation(attempt)


def _after_last(attempts: Sequence[Attempt], outcome: str) -> list[Attempt]:
    """The attempts behind the last one that had an outcome."""
    places = [place for place, one in enumerate(attempts) if one.outcome == outcome]
    return list(attempts[places[-1] + 1 :]) if places else list(attempts)


def _is_refutation(attempt: Attempt) -> bool:
    """Whether an attempt showed that no copy can help; only restoring can show that."""
    return attempt.outcome == "copy_unusable" and attempt.action == "restore"
