"""One warm server per caller: it serves many, is replaced when lost, and outlives nobody."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from quarry.guard.guarded import ChildOutcome, Guard
from tests.guard.processes import (
    descendants,
    is_alive,
    servers_of,
    start_caller,
    wait_for_file,
    wait_until_gone,
)

ODD = "tests.guard.odd_children"


@pytest.fixture
def guard() -> Generator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


def ask(guard: Guard, conduct: str = "end well", **more: Any) -> ChildOutcome:
    return guard.run(ODD, {"value": 1, "conduct": conduct, **more}, 30.0)


def server_of(guard: Guard) -> int:
    """Process number of the server that this guard keeps."""
    assert ask(guard).failure is None
    assert guard.server_pid in servers_of(os.getpid())
    return guard.server_pid


def test_requests_share_one_server_and_leak_no_descriptor() -> None:
    """In a process of its own: here other tests' files are closed whenever they are collected."""
    script = """
ask()
(server,) = servers_of(os.getpid())
own, its = Path("/proc/self/fd"), Path(f"/proc/{server}/fd")
n_open = [len(list(own.iterdir())), len(list(its.iterdir()))]
for number in range(200):
    outcome = ask("end well" if number % 10 else "crash")
    assert outcome.messages == [{"echo": 1}]
assert [len(list(own.iterdir())), len(list(its.iterdir()))] == n_open
assert servers_of(os.getpid()) == [server]
print("done")
"""
    caller = start_caller(script)
    assert caller.communicate(timeout=200) == ("done\n", "")


def test_requests_of_several_threads_run_side_by_side(guard: Guard, tmp_path: Path) -> None:
    """Each ends only when it has seen the other."""
    outcomes: list[ChildOutcome] = []

    def meet(mark: str, awaited: str) -> None:
        paths = {"mark": str(tmp_path / mark), "awaited": str(tmp_path / awaited)}
        outcomes.append(ask(guard, "meet", **paths))

    threads = [threading.Thread(target=meet, args=pair) for pair in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.failure for outcome in outcomes] == [None, None]


def test_a_server_that_died_is_replaced(guard: Guard) -> None:
    first = server_of(guard)
    os.kill(first, signal.SIGKILL)
    outcome = ask(guard)
    assert (outcome.messages, outcome.failure) == ([{"echo": 1}], None)
    assert server_of(guard) != first


def test_a_request_goes_on_when_its_server_dies(guard: Guard, tmp_path: Path) -> None:
    server = server_of(guard)
    outcomes: list[ChildOutcome] = []
    paths = {"mark": str(tmp_path / "a"), "awaited": str(tmp_path / "b")}
    thread = threading.Thread(target=lambda: outcomes.append(ask(guard, "meet", **paths)))
    thread.start()
    wait_for_file(tmp_path / "a")
    os.kill(server, signal.SIGKILL)
    assert ask(guard).failure is None
    (tmp_path / "b").touch()
    thread.join()
    assert [outcome.failure for outcome in outcomes] == [None]


def test_a_worker_dies_with_its_minder_and_the_request_is_done_again(
    guard: Guard, tmp_path: Path
) -> None:
    server = server_of(guard)
    outcomes: list[ChildOutcome] = []
    paths = {"mark": str(tmp_path / "a"), "awaited": str(tmp_path / "c")}
    thread = threading.Thread(target=lambda: outcomes.append(ask(guard, "meet", **paths)))
    thread.start()
    wait_for_file(tmp_path / "a")
    minder, worker = descendants(server)
    os.kill(minder, signal.SIGKILL)
    assert wait_until_gone([worker]) == []
    (tmp_path / "c").touch()
    thread.join()
    assert [(one.messages, one.failure) for one in outcomes] == [([{"echo": 1}], None)]


def test_without_a_server_each_request_takes_a_process_of_its_own() -> None:
    guard = Guard([sys.executable, "-c", "raise SystemExit(1)"])
    assert ask(guard).messages == [{"echo": 1}]
    assert guard.run(ODD, {"value": 2, "conduct": "crash"}, 30.0).failure == "killed by SIGSEGV"
    guard.close()


def test_a_server_that_hangs_is_given_up_at_the_deadline() -> None:
    silent = "import os, sys, time; os.write(int(sys.argv[1]), b'1'); time.sleep(600)"
    guard = Guard([sys.executable, "-c", silent])
    before = descendants(os.getpid())
    outcome = guard.run(ODD, {"value": 1, "conduct": "end well"}, 0.5)
    assert (outcome.messages, outcome.failure) == ([], "no end after 0.5 s; it was killed")
    assert guard.server_pid is None
    assert set(descendants(os.getpid())) <= set(before)


def test_a_worker_has_the_callers_folder_and_hdf5_settings_and_nothing_else(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(guard).failure is None
    (tmp_path / "here").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")
    told = ask(guard, "describe").messages[1]
    assert told == {
        "folder": str(tmp_path),
        "files": ["here"],
        "locking": "BEST_EFFORT",
        "n_descriptors": 4,  # the three standard ones and the channel
    }


def test_a_deleted_working_directory_is_no_obstacle(tmp_path: Path) -> None:
    script = "print(ask().failure)\nos.rmdir(os.getcwd())\nprint(ask().failure)\n"
    (tmp_path / "gone").mkdir()
    caller = start_caller(script, cwd=tmp_path / "gone")
    assert caller.communicate(timeout=60) == ("None\nNone\n", "")
    late = "os.rmdir(os.getcwd())\nprint(ask().failure)\n"
    (tmp_path / "gone").mkdir()
    caller = start_caller(late, cwd=tmp_path / "gone")
    assert caller.communicate(timeout=60) == ("None\n", "")


def test_a_caller_ends_as_it_would_without_a_server() -> None:
    """Its reader sees the end of its streams at once; its exit code and output are its own."""
    caller = start_caller("print(ask().failure, servers_of(os.getpid())[0])\nsys.exit(7)")
    output, errors = caller.communicate(timeout=60)
    failure, server = output.split()
    assert (failure, errors, caller.returncode) == ("None", "", 7)
    assert not is_alive(int(server))


def test_a_caller_that_is_interrupted_ends_its_worker_first(tmp_path: Path) -> None:
    script = f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    ask("hang with another", mark={str(tmp_path / "mark")!r})
except KeyboardInterrupt:
    print("interrupted")
    sys.stdout.flush()
    time.sleep(600)
"""
    caller = start_caller(script)
    wait_for_file(tmp_path / "mark")
    (server,) = servers_of(caller.pid)
    others = [pid for pid in descendants(caller.pid) if pid != server]
    assert len(others) == 3
    caller.send_signal(signal.SIGINT)
    assert caller.stdout is not None
    assert caller.stdout.readline() == "interrupted\n"
    assert wait_until_gone(others) == []
    caller.kill()
    caller.communicate(timeout=60)
    assert wait_until_gone([server]) == []


def test_a_fork_of_the_caller_has_a_server_of_its_own() -> None:
    script = """
ask()
(first,) = servers_of(os.getpid())
fork = os.fork()
if fork == 0:
    assert ask().failure is None
    (second,) = servers_of(os.getpid())
    assert second != first
    print("forked")
    sys.exit(3)
code = os.waitpid(fork, 0)[1]
print(os.waitstatus_to_exitcode(code), ask().failure)
assert servers_of(os.getpid()) == [first]
"""
    caller = start_caller(script)
    output, errors = caller.communicate(timeout=60)
    assert (output, errors, caller.returncode) == ("forked\n3 None\n", "", 0)


def test_a_caller_that_is_killed_leaves_nothing_even_if_it_had_forked(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"""
mark = Path({str(mark)!r})
hang = lambda: ask("hang with another", 600, mark=str(mark))
threading.Thread(target=hang).start()
wait_for_file(mark)
fork = os.fork()
if fork:
    print(fork)
    sys.stdout.flush()
time.sleep(600)
"""
    caller = start_caller(script)
    assert caller.stdout is not None
    fork = int(caller.stdout.readline())
    others = [pid for pid in descendants(caller.pid) if pid != fork]
    assert len(others) == 4  # server, minder, worker and what the worker started
    caller.kill()
    assert wait_until_gone(others) == []
    assert is_alive(fork)
    os.kill(fork, signal.SIGKILL)
    caller.communicate(timeout=60)
