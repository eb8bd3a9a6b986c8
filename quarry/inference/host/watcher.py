"""A small process beside the host, which ends the session once the caller or the host is gone.

vLLM's processes outlive a host that is killed, and a host that hangs outlives its caller; then a
GPU's memory would be held for ever. What a killed vLLM leaves in `/dev/shm` and among the temporary
files is removed, too.
"""

from __future__ import annotations

import os
import select
import shutil
import tempfile
from pathlib import Path

from quarry.inference.host.session import (
    end_session,
    is_resource_tracker,
    session_members,
    wait_for_end,
)

_TIDYING_S = 5.0


def start_watcher(connection: int, lifeline: int) -> None:
    """Fork the watcher; to be called in the host before there is any thread.

    Args:
        connection: descriptor of the socket to the caller; the host alone keeps it.
        lifeline: descriptor of a pipe whose other end only the caller holds.
    """
    default_cache = str(Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid()}")
    folder = tempfile.mkdtemp(prefix="quarry-vllm-")
    host, caller = os.pidfd_open(os.getpid()), _pidfd(os.getppid())
    if os.fork():
        os.close(host)
        if caller is not None:
            os.close(caller)
        # What was compiled is worth keeping.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", default_cache)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        return
    try:
        os.close(connection)
        # A process that the caller forked may hold the pipe, so the caller itself is watched, too.
        select.select([lifeline, host, *([] if caller is None else [caller])], [], [])
        _end(os.getsid(0))
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _pidfd(pid: int) -> int | None:
    """A descriptor of a process; None if it has ended."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _end(session: int) -> None:
    """Kill all but this process; Python's resource trackers then remove what the others shared."""
    own = os.getpid()
    trackers = [pid for pid in session_members(session) if is_resource_tracker(pid)]
    end_session(session, spared={own, *trackers})
    wait_for_end(session, spared={own}, longest_s=_TIDYING_S)
    end_session(session, spared={own})
