"""Whose processes these are, and that none is left, whoever dies first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path

import pytest

from quarry.inference.host.session import (
    end_session,
    is_resource_tracker,
    peak_resident_bytes,
    session_members,
    wait_for_end,
)

# A leader with a child in a process group of its own, both deaf to polite signals.
FAMILY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
os.write(1, b"up\\n")
time.sleep(600)
"""

# As the host begins, then what vLLM does: a child, and shared memory that nobody unlinks.
HOST = """
import multiprocessing, os, sys, tempfile, time
from multiprocessing import shared_memory
from quarry.inference.host.watcher import start_watcher

def child():
    time.sleep(600)

if __name__ == "__main__":
    start_watcher(int(sys.argv[1]), int(sys.argv[2]))
    block = shared_memory.SharedMemory(create=True, size=1 << 16)
    multiprocessing.get_context("fork").Process(target=child).start()
    print(block.name, tempfile.gettempdir(), flush=True)
    time.sleep(600)
"""


def wait_until(is_so: Callable[[], bool], longest_s: float = 60.0) -> bool:
    deadline = time.monotonic() + longest_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


@pytest.fixture
def family() -> subprocess.Popen[str]:
    leader = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert leader.stdout is not None
    assert [leader.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    leader.stdout.close()
    return leader


def test_all_members_of_a_session_end_also_those_of_other_groups(
    family: subprocess.Popen[str],
) -> None:
    assert len(session_members(family.pid)) == 2
    assert os.getpid() not in session_members(family.pid)
    end_session(family.pid)
    assert session_members(family.pid) == []
    assert family.wait(10) == -signal.SIGKILL


def test_a_member_that_is_spared_lives_on(family: subprocess.Popen[str]) -> None:
    (child,) = set(session_members(family.pid)) - {family.pid}
    end_session(family.pid, spared={child})
    assert session_members(family.pid) == [child]
    wait_for_end(family.pid, 0.1)
    assert session_members(family.pid) == [child]
    end_session(family.pid)
    family.wait(10)


def test_a_process_that_has_ended_is_no_member_though_nobody_waited_for_it() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    assert wait_until(lambda: session_members(ended.pid) == [])
    assert (Path("/proc") / str(ended.pid)).exists()
    ended.wait()
    assert peak_resident_bytes(ended.pid) == 0


def test_memory_of_a_process_is_known() -> None:
    assert peak_resident_bytes(os.getpid()) > 1 << 20


class Watched:
    """A host with its watcher, as a caller holds it."""

    def __init__(self, folder: Path) -> None:
        script = folder / "host.py"
        script.write_text(HOST, encoding="utf-8")
        reading, self.lifeline = os.pipe()
        mine, theirs = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(theirs), str(reading)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(theirs, reading),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        os.close(reading)
        os.close(theirs)
        os.close(mine)
        assert self.process.stdout is not None
        self.block, self.folder = self.process.stdout.readline().split()

    def members(self) -> list[int]:
        return session_members(self.process.pid)


@pytest.mark.parametrize("first", ["caller", "host"])
def test_when_caller_or_host_is_gone_nothing_is_left(tmp_path: Path, first: str) -> None:
    watched = Watched(tmp_path)
    assert len(watched.members()) == 4  # host, watcher, child, resource tracker
    assert sum(is_resource_tracker(pid) for pid in watched.members()) == 1
    assert Path(watched.folder).is_dir()
    if first == "caller":
        os.close(watched.lifeline)
    else:
        watched.process.kill()
    assert wait_until(lambda: watched.members() == [])
    assert not Path(watched.folder).exists()
    with pytest.raises(FileNotFoundError):
        shared_memory.SharedMemory(watched.block)
    assert watched.process.wait(10) == -signal.SIGKILL
    assert watched.process.stdout is not None
    watched.process.stdout.close()
    if first == "host":
        os.close(watched.lifeline)
