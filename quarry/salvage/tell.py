"""What the salvaging child tells its parent, and how long it may take over one row.

Told at once, so that a file on which HDF5 hangs or crashes loses one row and not the work.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

from quarry.errors import IntegrityError, QuarryError

_REASON_CHARACTERS = 200


class Teller:
    """Sends messages, and ends this process where one piece of work takes too much CPU time.

    HDF5 hangs in loops, so CPU time tells a hang from a slow disk. SIGPROF has no handler: one in
    Python would never run inside such a loop.

    Args:
        tell: sends one message.
        cpu_s: most CPU seconds for a row, or for the rows that share chunks.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None], cpu_s: float) -> None:
        self._tell = tell
        self._cpu_s = cpu_s
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def facts(self, **values: Any) -> None:
        """Facts about the file, by name."""
        self._tell({"facts": values})

    def at(self, first: int, last: int) -> None:
        """Rows `first` to `last` are looked at from now on."""
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s)
        self._tell({"at": [first, last]})

    def at_column(self, name: str) -> None:
        """A whole column is looked at from now on."""
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s)
        self._tell({"at_column": name})

    def kept(self, rows: Sequence[int]) -> None:
        """Rows that are whole."""
        self._tell({"kept": list(rows)})

    def lost(self, row: int, sample_id: str | None, reason: str) -> None:
        """A row that is not."""
        self._tell({"lost": [row, sample_id, reason]})

    def left_out(self, name: str, reason: str) -> None:
        """A column that can't be kept."""
        self._tell({"left_out": [name, reason]})

    def closed(self, reason: str) -> None:
        """Nothing can be read at all."""
        self._tell({"closed": reason})

    def written(self, manifest: dict[str, Any] | None) -> None:
        """The output is complete."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._tell({"written": manifest})


def reason_of(error: BaseException) -> str:
    """An error in a line."""
    if isinstance(error, IntegrityError) and error.findings:
        text = f"{error.findings[0].what}: {error.findings[0].got}"
    elif isinstance(error, QuarryError):
        text = f"{error.what}: expected {error.expected}, got {error.got}"
    else:
        text = str(error) or type(error).__name__
    return text.splitlines()[0][:_REASON_CHARACTERS]
