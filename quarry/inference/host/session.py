"""The processes of a session: which, how much memory they have taken, their end. Linux only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

_LONGEST_S = 10
_POLL_S = 0.02
_ENDED = "ZX"
"""States of a process that has ended and holds no memory, though its id is still known."""


def end_session(session: int, spared: Collection[int] = ()) -> None:
    """Kill the processes of a session, and wait until they are gone, though not for ever.

    Args:
        session: its id.
        spared: processes that are left alone.
    """
    deadline = time.monotonic() + _LONGEST_S
    while (doomed := _members_but(session, spared)) and time.monotonic() < deadline:
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def wait_for_end(session: int, longest_s: float, spared: Collection[int] = ()) -> None:
    """Wait until the processes of a session have ended by themselves, or time is up.

    Args:
        session: its id.
        longest_s: how long.
        spared: processes that are not waited for.
    """
    deadline = time.monotonic() + longest_s
    while _members_but(session, spared) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def is_resource_tracker(pid: int) -> bool:
    """Whether a process is Python's own, which unlinks shared memory that its users left behind."""
    try:
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return b"multiprocessing.resource_tracker" in command


def session_members(session: int) -> list[int]:
    """Ids of the processes of a session that have not ended."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _session_of(entry) == session
    ]


def peak_resident_bytes(pid: int) -> int:
    """Most memory that a process had resident; 0 if it has ended."""
    try:
        status = (Path("/proc") / str(pid) / "status").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def gpu_memory_bytes(pids: Collection[int]) -> int:
    """GPU memory that processes have now, as the driver says; 0 where it can't say."""
    command = [
        "nvidia-smi",
        "--query-compute-apps=pid,used_memory",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_LONGEST_S
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    used = [line.split(",") for line in done.stdout.splitlines()]
    return sum(
        int(fields[1]) << 20
        for fields in used
        if len(fields) == 2 and fields[1].strip().isdigit() and int(fields[0]) in pids
    )


def _members_but(session: int, spared: Collection[int]) -> list[int]:
    """The processes of a session that are not spared."""
    return [pid for pid in session_members(session) if pid not in spared]


def _session_of(entry: Path) -> int | None:
    """The session of a process; None if the process has ended."""
    try:
        stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything.
    state, _parent, _group, session, *_ = stat.rpartition(")")[2].split()
    return None if state in _ENDED else int(session)
