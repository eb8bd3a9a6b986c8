"""Whether a process still runs is told by its id and its start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quarry.processes import host_mark, is_alive

LONG_AGO = 1e9
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


def test_a_process_that_runs_is_alive():
    assert is_alive(os.getpid(), time.time())


def test_a_process_that_ended_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_alive(child.pid, time.time())


@needs_proc
def test_a_process_that_nobody_asked_how_it_ended_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid, time.time())
    child.communicate()


@needs_proc
def test_a_process_that_started_later_is_another():
    assert not is_alive(os.getpid(), LONG_AGO)


@needs_proc
def test_a_process_with_the_file_of_its_work_open_is_alive_though_the_clock_was_set(
    tmp_path: Path,
):
    with (tmp_path / "run-17.log").open("w"):
        assert is_alive(os.getpid(), LONG_AGO, work="run-17")
        assert not is_alive(os.getpid(), LONG_AGO, work="run-18")


def test_ids_that_no_process_has_are_dead():
    assert not is_alive(2**40, time.time())


def test_the_host_is_the_same_in_every_process():
    said = subprocess.check_output(
        [sys.executable, "-c", "from quarry.processes import host_mark; print(host_mark())"],
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert said.strip() == host_mark()
