"""The pool of examiners: side by side, started again, closed, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quarry.errors import GradingError, SandboxUnavailableError
from quarry.grading import examination, grader
from quarry.grading.examination import Examination, Examiners
from quarry.grading.grader import GradingTask, grade_stream
from quarry.sandbox import layers
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import golden_code

ROOT = Path(examination.__file__).parents[2]
QUICK = Limits(timeout_s=1.0, layer="unconfined")
IDENTITY = Examination("f", ("assert f(1) == 1",))
GOOD = "def f(x): return x"


@pytest.fixture
def examiners() -> Iterator[Examiners]:
    with Examiners(QUICK, n_slots=2) as opened:
        yield opened


def children(pid: int) -> set[int]:
    """All processes below one, by procfs."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(entry.parent.name)] = int(fields[1])
    found, waiting = set[int](), [pid]
    while waiting:
        parent = waiting.pop()
        below = {child for child, of in parents.items() if of == parent} - found
        found |= below
        waiting += below
    return found


def gone(pids: set[int], patience_s: float = 20.0) -> bool:
    """Whether processes are gone, or go within a while."""
    deadline = time.monotonic() + patience_s
    while (left := {pid for pid in pids if is_running(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_programs_run_side_by_side_from_any_thread(examiners: Examiners) -> None:
    def examine(number: int) -> Any:
        tests = Examination("f", (f"assert f({number}) == {number} * 2",))
        return examiners.examine(f"def f(x): return {number} + x", tests).state

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(examine, range(40))) == ["passed"] * 40


def test_a_grade_leaves_nothing_to_the_next(examiners: Examiners) -> None:
    spoil = "import sys, builtins, json\nbuiltins.len = json.dumps = None\ndef f(x): return x\n"
    for _ in range(4):
        examiners.examine(spoil + "open('left', 'w').write('x')", IDENTITY)
        probe = "import os, json\ndef f(x):\n    return len(os.listdir()) + len(json.dumps(x))"
        assert examiners.examine(probe, IDENTITY).state == "passed"


def test_an_exception_that_cant_be_written_out_is_a_failure(examiners: Examiners) -> None:
    outcome = examiners.examine("raise ValueError(10**5000)", IDENTITY)
    assert (outcome.state, outcome.report["exception"]) == ("failed", "ValueError")


def test_a_killed_server_is_started_again_and_the_program_tried_once_more() -> None:
    with Examiners(QUICK, n_slots=1) as examiners:
        examiners.examine(GOOD, IDENTITY)
        before = children(os.getpid())
        (slot,) = examiners._slots
        assert slot._process is not None
        slot._process.kill()
        assert examiners.examine(GOOD, IDENTITY).state == "passed"
        assert gone(before - children(os.getpid()))


def test_a_zygote_that_is_killed_is_no_fault_of_the_program() -> None:
    with Examiners(QUICK, n_slots=1) as examiners:
        examiners.examine(GOOD, IDENTITY)
        (slot,) = examiners._slots
        assert slot._process is not None
        for pid in children(slot._process.pid):
            os.kill(pid, signal.SIGKILL)
        assert examiners.examine(GOOD, IDENTITY).state == "passed"


def test_an_examiner_that_never_starts_is_the_graders_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examination, "inside_command", lambda *_: ("/bin/false",))
    never = pytest.raises(GradingError, match="could not be examined")
    with Examiners(QUICK, n_slots=1) as examiners, never:
        examiners.examine(GOOD, IDENTITY)


def test_a_server_that_is_stuck_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_ANSWER_PATIENCE_S", -2.0)
    with Examiners(QUICK, n_slots=1) as examiners:
        examiners.examine(GOOD, IDENTITY)
        (slot,) = examiners._slots
        assert slot._process is not None
        slot._process.send_signal(signal.SIGSTOP)
        assert examiners.examine(GOOD, IDENTITY).state == "passed"


def test_closing_ends_everything_at_once_even_in_the_middle() -> None:
    before = children(os.getpid())
    examiners = Examiners(Limits(timeout_s=60, layer="unconfined"), n_slots=2)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(examiners.examine, "while True: pass", IDENTITY) for _ in range(2)]
        deadline = time.monotonic() + 30
        while len(children(os.getpid()) - before) < 8 and time.monotonic() < deadline:
            time.sleep(0.05)
        ours = children(os.getpid()) - before
        assert len(ours) >= 8
        examiners.close()
        assert [type(one.exception()) for one in running] == [GradingError] * 2
    assert gone(ours)
    with pytest.raises(GradingError, match="closed"):
        examiners.examine(GOOD, IDENTITY)


def test_nothing_outlives_a_process_that_is_killed() -> None:
    program = (
        "from quarry.grading.examination import Examination, Examiners\n"
        "from quarry.sandbox.limits import Limits\n"
        "examiners = Examiners(Limits(timeout_s=60, layer='unconfined'), n_slots=1)\n"
        "examiners.examine('def f(x): return x', Examination('f', ('assert f(1) == 1',)))\n"
        "print('ready', flush=True)\n"
        "examiners.examine('while True: pass', Examination('f', ('assert f(1) == 1',)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 30
        while len(children(process.pid)) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        below = children(process.pid)
        assert len(below) >= 4  # server, examiner, zygote, worker
    finally:
        process.kill()
        process.communicate()
    assert gone(below)


def test_what_is_forked_for_each_program_has_loaded_nothing_that_makes_forks_slow() -> None:
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import quarry.grading.examiner.server, quarry.sandbox.inside.worker\n"
        "from quarry.sandbox.inside import prepared_modules, zygote\n"
        "prepared_modules.import_prepared()\n"
        "print(*sys.modules)\n"
    )
    command = [sys.executable, "-s", "-P", "-S", "-c", program]
    loaded = set(
        subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().split()
    )
    assert "quarry.grading.examiner.server" in loaded
    assert not loaded & {"threading", "subprocess", "concurrent.futures", "asyncio", "numpy"}
    ours = {name for name in loaded if name.startswith("quarry.")}
    inside = ("quarry.sandbox.inside", "quarry.grading.examiner")
    assert {name for name in ours if not name.startswith(inside)} <= {
        "quarry.sandbox",
        "quarry.grading",
    }


def test_descriptors_are_given_back() -> None:
    """In a process of its own: here other tests' files are closed whenever they are collected."""
    program = (
        "import os\n"
        "from quarry.grading.examination import Examination, Examiners\n"
        "from quarry.sandbox.limits import Limits\n"
        "for program in ('def f(x): return x', *['import os\\nos._exit(0)'] * 3):\n"
        "    with Examiners(Limits(timeout_s=1.0, layer='unconfined'), n_slots=1) as examiners:\n"
        "        examiners.examine(program, Examination('f', ('assert f(1) == 1',)))\n"
        "    print(len(os.listdir('/proc/self/fd')))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    first, *others = map(int, done.stdout.split())
    assert others == [first] * 3


def test_without_any_layer_nothing_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "objection_to", lambda layer: "not here")
    samples, _ = golden_code("humaneval")
    tasks = [GradingTask(samples["total"], "    return 1\n")]
    with pytest.raises(SandboxUnavailableError):
        next(grade_stream(tasks, "humaneval", Limits()))


def test_a_stream_that_is_left_early_leaves_nothing_running() -> None:
    samples, _ = golden_code("humaneval")
    before = children(os.getpid())
    tasks = [GradingTask(samples["total"], "    return 1\n")] * 50
    stream = grade_stream(tasks, "humaneval", QUICK)
    next(stream)
    started = children(os.getpid()) - before
    assert started
    stream.close()  # type: ignore[attr-defined]
    assert gone(started)


def test_an_examiner_that_fails_is_an_error_row_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Any:
        raise GradingError("no examiner")

    monkeypatch.setattr(grader, "run_prepared", fail)
    samples, _ = golden_code("humaneval")
    (grade,) = grade_stream([GradingTask(samples["total"], "    return 1\n")], "humaneval", QUICK)
    assert (str(grade.verdict), grade.is_officially_correct) == ("error", None)


def examine_with_alarm(examiners: Examiners, program: str) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    examiners.examine(program, IDENTITY)


def test_an_answer_that_nobody_waited_for_is_not_the_next_programs() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Examiners(QUICK, n_slots=1) as examiners:
            examiners.examine(GOOD, IDENTITY)
            with pytest.raises(KeyboardInterrupt):
                examine_with_alarm(examiners, f"import time\ntime.sleep(0.3)\n{GOOD}")
            time.sleep(0.5)
            assert examiners.examine("def f(x): return 2", IDENTITY).state == "failed"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_forked_process_takes_no_answers_of_its_parent() -> None:
    with Examiners(QUICK, n_slots=1) as examiners:
        assert examiners.examine(GOOD, IDENTITY).state == "passed"
        pid = os.fork()
        if pid == 0:
            try:
                examiners.examine(GOOD, IDENTITY)
            except GradingError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert examiners.examine(GOOD, IDENTITY).state == "passed"
