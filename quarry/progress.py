"""`ProgressLog`: progress of long work as lines in a log, with rate and remaining time.

For terminals there are progress bars in `quarry.cli`; this is for run logs, where a line every few
seconds, and a minute in hours of work, is what a person can read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

_MOST_TIMES_RARER = 12
_RARER_FROM_S = 100.0


class ProgressLog:
    """Logs a line at most every `every_s` seconds, and one at the end.

    Lines become rarer as the work goes on, up to `12 * every_s` apart after `1200 s`.

    Args:
        log: takes one line, such as `context.log.info`.
        total: how many items there are.
        unit: plural noun of an item.
        every_s: least seconds between two lines.
        n_given: items that need no work; they count as done when their turn comes.
        counts: what else was made since the start, by plural noun; its rates are shown, too.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        total: int,
        unit: str,
        *,
        every_s: float = 5.0,
        n_given: int = 0,
        counts: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """Start the clock."""
        self._log = log
        self._total = total
        self._unit = unit
        self._every_s = every_s
        self._n_work = total - n_given
        self._counts = counts
        self._started = self._last = time.monotonic()

    def update(self, done: int, *, made: int | None = None) -> None:
        """Say how many items are done; logs when it is time to.

        Args:
            done: items that are done.
            made: those of them that were work; all by default.
        """
        now = time.monotonic()
        elapsed_s = max(now - self._started, 1e-9)
        rarer = min(max(elapsed_s / _RARER_FROM_S, 1.0), _MOST_TIMES_RARER)
        if now - self._last < self._every_s * rarer and done < self._total:
            return
        self._last = now
        n_made = done if made is None else made
        rates = {self._unit: n_made, **(self._counts() if self._counts else {})}
        shown = ", ".join(f"{count / elapsed_s:.1f} {unit}/s" for unit, count in rates.items())
        left = ""
        if done < self._total:
            left = f", {self._remaining(self._n_work - n_made, n_made / elapsed_s)} left"
        self._log(f"{done} of {self._total} {self._unit}, {shown}{left}")

    def leave_out(self, seconds: float) -> None:
        """Leave time out of the rates that says nothing about them, such as an engine's start."""
        self._started += seconds

    @staticmethod
    def _remaining(n_left: int, rate: float) -> str:
        """The remaining time in words."""
        if rate <= 0:
            return "unknown time"
        seconds = round(n_left / rate)
        if seconds < 120:
            return f"{seconds} s"
        if seconds < 7200:
            return f"{seconds // 60} min"
        return f"{seconds / 3600:.1f} h"
