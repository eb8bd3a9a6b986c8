"""`ProgressLog`: progress of long work as lines in a log, with rate and remaining time.

For terminals there are progress bars in `quarry.cli`; this is for run logs, where a line every few
seconds is what a person can read.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class ProgressLog:
    """Logs a line at most every `every_s` seconds, and one at the end.

    Args:
        log: takes one line, such as `context.log.info`.
        total: how many items there are.
        unit: plural noun of an item.
        every_s: least seconds between two lines.
    """

    def __init__(
        self, log: Callable[[str], None], total: int, unit: str, *, every_s: float = 5.0
    ) -> None:
        """Start the clock."""
        self._log = log
        self._total = total
        self._unit = unit
        self._every_s = every_s
        self._started = self._last = time.monotonic()

    def update(self, done: int) -> None:
        """Say how many items are done; logs when it is time to."""
        now = time.monotonic()
        if now - self._last < self._every_s and done < self._total:
            return
        self._last = now
        elapsed_s = max(now - self._started, 1e-9)
        rate = done / elapsed_s
        left = f", {self._remaining(done, rate)} left" if done < self._total else ""
        self._log(f"{done} of {self._total} {self._unit}, {rate:.1f} {self._unit}/s{left}")

    def _remaining(self, done: int, rate: float) -> str:
        """The remaining time in words."""
        if rate <= 0:
            return "unknown time"
        seconds = round((self._total - done) / rate)
        if seconds < 120:
            return f"{seconds} s"
        if seconds < 7200:
            return f"{seconds // 60} min"
        return f"{seconds / 3600:.1f} h"
