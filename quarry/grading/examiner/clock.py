"""How long a grade has taken on a machine that may be busy.

Waiting for a processor is not counted. Sleeping and waiting for anything else is, so that a program
that sleeps is late.
"""

from __future__ import annotations

import time
from pathlib import Path

_NS_PER_S = 1e9


class Clock:
    """Time since it was made, less what the processes of a grade waited for a processor.

    Args:
        examiner: the process that runs the tests, which may have run others before.
        zygote: the process whose children work for this grade alone; None where it is unknown.
    """

    def __init__(self, examiner: int, zygote: int | None) -> None:
        self._examiner = examiner
        self._zygote = zygote
        self._started = time.monotonic()
        self._waited_before_s = _waited_s(examiner)

    def wall_s(self) -> float:
        """Time on the wall."""
        return time.monotonic() - self._started

    def counted_s(self) -> float:
        """Time that counts against the limit; examiner and worker never run at the same time."""
        workers = [] if self._zygote is None else children(self._zygote)
        waited_s = sum(map(_waited_s, [self._examiner, *workers]))
        return self.wall_s() - (waited_s - self._waited_before_s)


def _waited_s(pid: int) -> float:
    """How long a process was ready to run and did not; 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[1]) / _NS_PER_S
    except (OSError, ValueError, IndexError):
        return 0.0


def children(pid: int) -> list[int]:
    """The children of a process, as this process numbers them; none where the kernel is silent."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_bytes()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def last_descendant(pid: int) -> int:
    """The process at the end of a chain of only children, which may be `pid` itself."""
    while below := children(pid):
        pid = below[0]
    return pid
