"""`TransferLog`: progress of an upload or a download as lines in a run's log."""

from __future__ import annotations

import time
from collections.abc import Callable

from quarry.size_text import size_text


class TransferLog:
    """Logs a line at most every `every_s` seconds, and one at the end.

    Args:
        log: takes one line, such as `context.log.info`.
        what: what is transferred, such as `upload`.
        every_s: least seconds between two lines.
    """

    def __init__(self, log: Callable[[str], None], what: str, *, every_s: float = 5.0) -> None:
        """Start the clock."""
        self._log = log
        self._what = what
        self._every_s = every_s
        self._started = self._last = time.monotonic()

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """Say how many bytes are done; logs when it is time to."""
        now = time.monotonic()
        if now - self._last < self._every_s and done_bytes < total_bytes:
            return
        self._last = now
        rate = done_bytes / max(now - self._started, 1e-9)
        left = ""
        if done_bytes < total_bytes:
            left_s = (total_bytes - done_bytes) / max(rate, 1.0)
            left = f", about {left_s:.0f} s left"
        done = f"{size_text(done_bytes)} of {size_text(total_bytes)}"
        self._log(f"{self._what}: {done}, {size_text(round(rate))}/s{left}")
