"""The zygote's conversation: starts, ends, limits, refusals, and that nothing stays behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from quarry.sandbox import layers
from quarry.sandbox.inside.zygote_client import Zygote, ZygoteLostError
from quarry.sandbox.start import Layer, zygote_command
from tests.live_processes import descendants, kill, wait_for
from tests.sandbox.boxes import PATIENCE_S, Box, start_zygote

ROOT = Path(__file__).parents[2]
GONE_WITHIN_S = 2.0
SLEEP = "__channel__.sendall(b'here'); import time; time.sleep(600)"

LONELY_CLIENT = """
import sys, time
from tests.sandbox.boxes import Box
box = Box(sys.argv[1])
channel = box.started(sys.argv[2])
channel.recv(4)
print("ready", flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until_gone(pids: list[int]) -> None:
    wait_for(lambda: not any(map(is_alive, pids)), f"end of {pids}", GONE_WITHIN_S)


def available(layer: Layer) -> Layer:
    if objection := layers.objection_to(layer):
        pytest.skip(f"the layer {layer} does not work here: {objection}")
    return layer


@pytest.fixture(params=["strict", "fallback", "unconfined"])
def layer(request: pytest.FixtureRequest) -> Layer:
    return available(request.param)


def test_the_end_of_a_program_is_told_with_what_it_took(box: Box):
    answer, ended = box.answer("report = sum(range(3 * 10**6)) and len(bytearray(50 << 20))")
    assert answer == {"report": 50 << 20}
    assert ended["exit_code"] == 0
    assert ended["refused"] is None
    assert ended["cpu_s"] > 0
    assert ended["max_rss_bytes"] > 50 << 20


@pytest.mark.parametrize(
    ("program", "exit_code"),
    [
        ("import os; os._exit(7)", 7),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os; os.close(3)", 1),
    ],
)
def test_a_program_that_ends_its_process_harms_no_other(box: Box, program: str, exit_code: int):
    answer, ended = box.answer(program)
    assert (answer, ended["exit_code"]) == (None, exit_code)
    assert box.run("report = 1") == 1


def test_processor_time_is_bounded(box: Box):
    answer, ended = box.answer("while True: pass", cpu_s=1)
    assert (answer, ended["exit_code"]) == (None, -signal.SIGXCPU)


def test_processor_time_is_bounded_for_those_who_ignore_the_signal(box: Box):
    program = """
    import signal
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True: pass
    """
    answer, ended = box.answer(program, cpu_s=1)
    assert (answer, ended["exit_code"]) == (None, -signal.SIGKILL)


def test_a_sleeping_program_is_killed_when_asked(box: Box):
    with box.started(SLEEP) as channel:
        assert channel.recv(4) == b"here"
        box.kill()
        assert channel.recv(1) == b""
    assert box.zygote.next_message(PATIENCE_S)["exit_code"] == -signal.SIGKILL
    box.kill()  # it has ended: nothing happens
    assert box.run("report = 1") == 1


def test_a_worker_that_can_not_be_shut_in_runs_nothing(box: Box):
    answer, ended = box.answer("report = 'ran'", cpu_s=1 << 70)
    assert answer is None
    assert "OverflowError" in ended["refused"]
    assert box.run("report = 1") == 1


def test_what_a_program_changes_is_gone_with_it(box: Box):
    box.answer(
        """
        import builtins, json, os, random, sys
        json.dumps = builtins.len = os.fork = os.read = None
        random.seed(5)
        sys.path.insert(0, os.getcwd())
        sys.modules["collections"] = None
        os.environ["MARK"] = "1"
        os.chdir("/")
        sys.setrecursionlimit(60)
        """
    )
    program = """
    import collections, json, os, random, sys
    report = [json.dumps(len("ab")), os.environ.get("MARK"), os.getcwd() == os.environ["HOME"],
              random.random(), sys.path[0] == os.getcwd(), sys.getrecursionlimit()]
    """
    assert box.run(program) == ["2", None, True, 0.8444218515250481, False, 1000]


LEFT_BEHIND = {
    "files and links": "open('a', 'w').write('x'); os.symlink('/', 'root'); os.symlink('b', 'b')",
    "a deep tree": "[(os.mkdir('d'), os.chdir('d')) for _ in range(900)]",
    "shut folders": "os.makedirs('a/b/c'); os.umask(0o777); os.mkdir('a/b/shut'); os.mkdir('e', 0)",
    "names of bytes": "open(b'\\xff\\n', 'w'); os.mkdir(b'\\xfe')",
    "a pipe with a name": "os.mkfifo('pipe') if hasattr(os, 'mkfifo') else None",
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_the_directory_is_empty_for_each_program(box: Box, name: str):
    answer, _ = box.answer(f"import os\n{LEFT_BEHIND[name]}\nreport = 1")
    if name != "a pipe with a name":  # making nodes is not allowed everywhere
        assert answer == {"report": 1}
    assert box.run("import os; report = os.listdir('.')") == []


@pytest.mark.parametrize(
    "program",
    [
        "for n in range(10**5): open(str(n), 'w')",
        "for n in range(10**5): os.mkdir('d'); os.chdir('d')",
        "for n in range(500): open(str(n), 'wb').write(bytes(1 << 20))",
    ],
)
def test_the_directory_can_not_be_filled_without_end(box: Box, program: str):
    answer, ended = box.answer(f"import os\n{program}\nreport = 'filled'")
    is_refused = answer is not None and "OSError" in answer.get("error", "")
    is_killed = ended["exit_code"] == -signal.SIGKILL
    if answer is None or "report" not in answer:
        assert is_refused or is_killed
    else:
        pytest.fail("it wrote all that it wanted")
    assert box.run("import os; report = os.listdir('.')") == []


def test_fallback_leaves_nothing_in_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    box = Box(available("fallback"))
    box.run("open('file', 'w').write('x'); report = 1")
    assert len(list(tmp_path.iterdir())) == 1
    box.zygote.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_zygote_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    layer = available("fallback")
    first = start_zygote(layer)
    second = start_zygote(layer)
    kill(first.pid)
    first.close()
    assert len(list(tmp_path.iterdir())) == 2
    third = start_zygote(layer)
    assert len(list(tmp_path.iterdir())) == 2, "the base of a living zygote has to stay"
    second.close()
    third.close()
    assert list(tmp_path.iterdir()) == []


def test_a_normal_end_takes_a_running_worker_along(layer: Layer):
    box = Box(layer)
    with box.started(SLEEP) as channel:
        channel.recv(4)
        pids = descendants(box.zygote.pid)
        assert len(pids) >= 2
        box.zygote.close()
        wait_until_gone(pids)


def test_nothing_is_left_when_the_client_is_killed(layer: Layer, tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", LONELY_CLIENT, layer, SLEEP],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    ) as client:
        assert client.stdout
        assert client.stdout.readline() == b"ready\n"
        pids = descendants(client.pid)
        assert len(pids) >= 3
        client.kill()
    wait_until_gone(pids)
    assert list(tmp_path.glob("quarry-box-*")) == []


def test_nothing_is_left_when_the_zygote_is_killed(layer: Layer):
    box = Box(layer)
    with box.started(SLEEP) as channel:
        channel.recv(4)
        pids = descendants(box.zygote.pid)
        kill(box.zygote.pid)
        wait_until_gone(pids)
        with pytest.raises(ZygoteLostError, match="ended"):
            box.zygote.next_message(PATIENCE_S)
    box.zygote.close()


def test_two_hundred_programs_leave_no_mount_and_no_descriptor(confined_box: Box):
    def facts() -> tuple[int, int]:
        pid = descendants(confined_box.zygote.pid)[-1]
        mounts = Path(f"/proc/{pid}/mounts").read_text().count("\n")
        return mounts, len(list(Path(f"/proc/{pid}/fd").iterdir()))

    confined_box.run("report = 1")
    try:
        before = facts()
    except PermissionError:
        pytest.skip("another user's process, even where it is one's own: it can't be dumped")
    for _ in range(200):
        confined_box.run("report = 1")
    assert facts() == before


def test_a_zygote_that_does_not_start_says_why():
    command = zygote_command("unconfined", "quarry.sandbox.inside.no_such_module")
    with pytest.raises(ZygoteLostError, match="no_such_module"):
        Zygote(command.arguments, command.environment)


def test_a_program_that_is_not_there_says_so():
    with pytest.raises(ZygoteLostError, match="/no/such/bwrap"):
        Zygote(["/no/such/bwrap"], {})


def test_a_second_worker_at_once_is_a_mistake_of_the_client():
    box = Box("unconfined")
    ours, theirs = socket.socketpair()
    with box.started(SLEEP) as channel, ours, theirs:
        channel.recv(4)
        box.zygote.start(99, {}, theirs.fileno())
        assert box.zygote.next_message(PATIENCE_S)["exit_code"] == -signal.SIGKILL
        with pytest.raises(ZygoteLostError, match="one worker at a time"):
            box.zygote.next_message(PATIENCE_S)
    box.zygote.close()
