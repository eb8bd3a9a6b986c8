"""The clock of a grade: a busy machine costs a program nothing, its own sleep costs it time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quarry.grading.examiner.clock import Clock, children, last_descendant
from tests.live_processes import wait_for


@contextmanager
def running(program: str) -> Iterator[int]:
    """A process that runs `program` and has said that it does, on one processor."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os\nos.write(1, b'x')\n{program}"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        process.stdout.read(1)
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_waiting_for_a_processor_is_not_counted() -> None:
    busy = "while True: pass"
    with running(busy) as first, running(busy):
        clock = Clock(first, None)
        time.sleep(1.0)
        wall_s, counted_s = clock.wall_s(), clock.counted_s()
    assert counted_s < 0.8 * wall_s


def test_sleep_is_counted() -> None:
    with running("import time\ntime.sleep(60)") as pid:
        wait_for(lambda: state_of(pid) == "S", "its sleep")
        clock = Clock(pid, None)
        time.sleep(0.5)
        assert clock.counted_s() > 0.4


def test_a_process_that_has_ended_has_waited_for_nothing() -> None:
    with running("pass") as pid:
        pass
    assert Clock(pid, pid).counted_s() >= 0
    assert children(pid) == []


def test_the_end_of_a_chain_of_processes_is_found() -> None:
    inner = "import time\\nprint(flush=True)\\ntime.sleep(60)"
    program = (
        f"import subprocess, sys, time\nc = '{inner}'\nsubprocess.run([sys.executable, '-c', c])"
    )
    with running(program) as pid:
        deadline = time.monotonic() + 30
        while not (below := children(pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not below:
            pytest.skip("this kernel does not list children")
        assert last_descendant(pid) == below[0]
        os.kill(below[0], 9)
