"""Processes of this machine: whether one that once said its id still runs, and whose ids they are.

A process id is used again, soon in a container and late elsewhere, so an id alone proves nothing.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

_TOLERANCE_S = 2.0
"""Start times are whole clock ticks after a boot time that is known to a second."""

_DEAD = {"Z", "X", "x"}
"""States of processes that have ended and whose parent has not yet asked how."""


def host_mark() -> str:
    """A short hash of this machine's or container's name and of its table of processes.

    Process ids mean something only where this is the same.
    """
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = ""
    return hashlib.blake2s((platform.node() + processes).encode(), digest_size=4).hexdigest()


def is_alive(pid: int, seen_at: float, work: str = "") -> bool:
    """Whether the process that had an id at some moment still runs.

    Where there is doubt it counts as alive: another user's process whose start is hidden, or a
    system without `/proc` where the id is in use.

    Args:
        pid: the process id.
        seen_at: when the process had it, in seconds since 1970; one that started later is another.
        work: part of the path of a file that the process keeps open, such as the id of its run.
            It counts where the clock was set since, which makes a living process look younger.
    """
    if not _exists(pid):
        return False
    fields = _stat_fields(pid)
    if fields is None:
        return _exists(pid)
    if fields[0] in _DEAD:
        return False
    booted_at = _booted_at()
    if booted_at is None:
        return True
    started_at = booted_at + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return started_at <= seen_at + _TOLERANCE_S or (bool(work) and _has_open(pid, work))


def _exists(pid: int) -> bool:
    """Whether the id is in use, also by a process that has ended and was not yet asked how."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _stat_fields(pid: int) -> list[str] | None:
    """What `/proc/<pid>/stat` says from the state on; None where it can't be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything.
    return stat.rpartition(")")[2].split()


def _booted_at() -> float | None:
    """When this machine started by its present clock, in seconds since 1970."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), None)


def _has_open(pid: int, part: str) -> bool:
    """Whether a process has a file open whose path contains something."""
    try:
        return any(part in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
