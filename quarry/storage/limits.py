"""`Limits`: how long one call to a store may take, and whether its caller still wants it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from quarry.errors import StorageCancelledError, StorageDeadlineError

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all, on the caller's thread."""

_POLL_S = 0.1


class CancelFlag(Protocol):
    """What says that a caller gave up; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class Limits:
    """A total deadline and a cancel flag, for one call and all its retries.

    Args:
        what: the call as a sentence without the full stop, for messages.
        where: store and name.
        deadline_s: most seconds from now; none for no end.
        cancel: stops the call when it is set.
    """

    def __init__(
        self, what: str, where: str, deadline_s: float | None, cancel: CancelFlag | None = None
    ) -> None:
        self.what = what
        self.where = where
        self._deadline_s = deadline_s
        self._cancel = cancel
        self._ends_at = None if deadline_s is None else time.monotonic() + deadline_s
        self._is_stopped = False
        self._cause: Exception | None = None

    def stop(self) -> None:
        """Let the other threads of this call end: one of them failed."""
        self._is_stopped = True

    def blame(self, cause: Exception) -> None:
        """Remember why the call is being retried; the first cause is the one shown."""
        self._cause = self._cause or cause

    @property
    def remaining_s(self) -> float:
        """Seconds left; infinite without a deadline, never negative."""
        if self._ends_at is None:
            return float("inf")
        return max(0.0, self._ends_at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the call should end now, for whatever reason."""
        cancelled = self._cancel is not None and self._cancel.is_set()
        return self._is_stopped or cancelled or self.remaining_s <= 0

    def check(self, why: str = "") -> None:
        """Go on, or end the call.

        Args:
            why: what the call waits for, for the message of a deadline.

        Raises:
            StorageCancelledError: the caller cancelled, or another thread of the call failed.
            StorageDeadlineError: the time is over.
        """
        if self._is_stopped or (self._cancel is not None and self._cancel.is_set()):
            raise StorageCancelledError(
                f"{self.what} was cancelled",
                where=self.where,
                fix="run it again; what was finished is not sent twice",
            )
        if self.remaining_s <= 0:
            raise self.out_of_time(why)

    def out_of_time(self, why: str = "") -> StorageDeadlineError:
        """The error for a deadline, with the first thing that went wrong.

        Args:
            why: what the call was waiting for, such as a pause that the service asked for.
        """
        got = [str(self._cause)] if self._cause else []
        got += [why] if why else []
        error = StorageDeadlineError(
            f"{self.what} was not done in time",
            where=self.where,
            expected=f"an end within {self._deadline_s:g} s",
            got="; ".join(got) or "no answer, or a slow one",
            fix="try again later or allow more time; what was finished is not sent twice",
        )
        error.__cause__ = self._cause
        return error

    def pause(self, seconds: float, why: str = "") -> None:
        """Sleep, awake enough to end with the caller's patience.

        Args:
            seconds: how long.
            why: what for, for the message of a deadline.

        Raises:
            StorageCancelledError, StorageDeadlineError: as `check`, at once if the pause ends
                after the deadline.
        """
        self.check(why)
        if seconds >= self.remaining_s:
            raise self.out_of_time(why)
        ends_at = time.monotonic() + seconds
        while (left_s := ends_at - time.monotonic()) > 0:
            time.sleep(min(_POLL_S, left_s))
            self.check(why)
