"""Leases among real processes, however they end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from quarry.errors import DeviceBusyError
from quarry.inference.lease import Lease, lease_states, take_lease
from quarry.inference.lease_file import Holder, is_locked, read_holder
from tests.inference.lease_holders import CPU, GPUS, holding, is_free, only, take
from tests.live_processes import kill, wait_for


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as (process, _):
        state = only(lease_states([CPU], tmp_path))
        assert state.holder is not None
        assert (state.holder.pid, state.holder.run_id) == (process.pid, "run-1")
        assert not is_free(tmp_path)
        process.kill()
        process.wait()
        assert lease_states([CPU], tmp_path)[0].is_held is False
        assert read_holder(tmp_path / "cpu.lock") is not None  # what is left means nothing
        assert is_free(tmp_path)


def test_a_process_that_was_given_the_lease_outlives_its_parent_with_it(tmp_path: Path) -> None:
    with holding(tmp_path, mode="heir") as (process, child):
        process.kill()
        process.wait()
        assert not is_free(tmp_path)
        state = only(lease_states([CPU], tmp_path))
        assert state.holder is not None
        assert state.holder.has_ended
        assert f"what process {process.pid} started" in str(state.holder)
        kill(child)
        wait_for(lambda: is_free(tmp_path), "the child's end frees the device", 30)


def test_the_parent_keeps_what_its_child_leaves(tmp_path: Path) -> None:
    with holding(tmp_path, mode="heir") as (_, child):
        kill(child)
        time.sleep(0.2)
        assert not is_free(tmp_path)


def test_releasing_does_not_take_from_a_child_what_it_was_given(tmp_path: Path) -> None:
    lease = take(tmp_path)
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleeper, pass_fds=lease.fds) as child:
        lease.release()
        held, says = is_locked(tmp_path / "cpu.lock"), read_holder(tmp_path / "cpu.lock")
        child.kill()
        child.wait()
    assert held
    assert says is not None
    assert is_free(tmp_path)


@pytest.mark.parametrize("mode", ["fork", "releasing fork", "stranger"])
def test_other_children_neither_keep_nor_release_it(tmp_path: Path, mode: str) -> None:
    with holding(tmp_path, mode=mode) as (process, child):
        assert not is_free(tmp_path)
        process.kill()
        process.wait()
        assert Path(f"/proc/{child}").exists()
        assert is_free(tmp_path)


def test_who_waits_for_several_holds_none_of_them(tmp_path: Path) -> None:
    with holding(tmp_path, "GPU-1"):
        taken: list[Lease] = []
        waiting = threading.Thread(
            target=lambda: taken.append(take(tmp_path, *GPUS[:2], n=2, wait_s=60))
        )
        waiting.start()
        with take(tmp_path, GPUS[0], wait_s=30):
            assert not taken
    waiting.join(60)
    [lease] = taken
    assert lease.names == ("cuda:0", "cuda:1")
    assert lease.waited_s > 0
    lease.release()


def test_processes_that_want_the_same_devices_in_any_order_all_get_them(tmp_path: Path) -> None:
    turns = """
import random, sys
from pathlib import Path
from quarry.inference.devices import Device
from quarry.inference.lease import take_lease
from quarry.inference.lease_file import Holder
folder, order = Path(sys.argv[1]), sys.argv[2].split(",")
devices = [Device(key, key) for key in order]
for turn in range(15):
    n = 2 if turn % 2 else 1
    with take_lease(devices, n, folder, holder=Holder.me(), wait_s=120, log=len) as lease:
        marks = [folder / f"{name}.mark" for name in lease.names]
        for mark in marks:
            mark.touch(exist_ok=False)  # fails where another has the device, too
        for mark in marks:
            mark.unlink()
print("done")
"""
    orders = ["a,b", "b,a", "a,b", "b,a"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", turns, str(tmp_path), order],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    assert [process.communicate(timeout=200) for process in processes] == [("done\n", "")] * 4


def test_a_wait_is_told_with_the_holder_and_ends_when_the_device_is_free(tmp_path: Path) -> None:
    lines: list[str] = []
    with holding(tmp_path, mode="pause") as (process, _):

        def log(line: str) -> None:
            lines.append(line)
            if line.startswith("waiting"):
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()

        mine = Holder.me()
        with take_lease([CPU], 1, tmp_path, holder=mine, wait_s=60, log=log) as lease:
            assert lease.waited_s > 0
            assert read_holder(tmp_path / "cpu.lock") == mine
    assert len(lines) == 2
    assert f"waiting for {CPU}: cpu is held by process {process.pid} since 2" in lines[0]
    assert "(run run-1: a test)" in lines[0]
    assert lines[1].startswith(f"leased {CPU} after ")


def test_a_wait_that_is_too_long_names_the_holder_and_the_setting(tmp_path: Path) -> None:
    with (
        holding(tmp_path) as (process, _),
        pytest.raises(DeviceBusyError, match="wait_minutes") as caught,
    ):
        take(tmp_path, wait_s=0.5)
    assert f"process {process.pid}" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)


def test_looking_at_a_lease_takes_it_from_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a busy machine who looks may be kept from looking away
    monkeypatch.setattr("quarry.inference.lease._GRACE_S", 30.0)
    take(tmp_path).release()
    look = (
        "import fcntl, sys, time\nprint('looking', flush=True)\nwhile True:\n"
        "    with open(sys.argv[1]) as file:\n"
        "        fcntl.flock(file, fcntl.LOCK_SH)\n"
        "        time.sleep(0.001)\n"
        "    time.sleep(0.02)"
    )
    command = [sys.executable, "-c", look, str(tmp_path / "cpu.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as looking:
        assert looking.stdout is not None
        looking.stdout.readline()
        try:
            for _ in range(200):
                take(tmp_path).release()
        finally:
            looking.kill()
