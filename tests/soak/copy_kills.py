"""Row 9: `kill -9` while a copy is uploaded, downloaded, used for a repair, or recorded.

The child talks HTTP to a server in this process. It is killed when the server sees its n-th
request, which the server then carries out for nobody; at moments drawn over a run; and right
before the system calls that write locks and ledger. Some are killed several times in a row before
one is let through. Bytes are counted by the server, truth is what the server has in memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.soak.copy_aftermath import Case, check_after_kill, check_next_run
from tests.soak.copy_jobs import N_CONNECTIONS, PART_BYTES, RANGE_BYTES
from tests.soak.corpus import Specimen, make_own
from tests.soak.forking import Forker
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.watched_server import WatchedServer

ROW = 9
CLAIM = "kill -9 while a copy is uploaded, downloaded, used for a repair, or recorded"
BAR = (
    "0 false records, 0 duplicate versions, 0 partial files; resuming sends again <= 1 part a "
    "stream, the next run succeeds"
)
MOST_IN_A_ROW = 3
MORE_SHARE = 0.3
_CALIBRATIONS = 3
_SHARES = {"keep": 0.5, "record": 0.2, "restore": 0.2, "fetch": 0.1}
"""Of the kills; `record` is `keep`, killed at system calls."""

Kill = Callable[[], tuple[str, bool]]
"""Runs the case's job and kills it: when, and whether that was in time."""


@dataclass
class _Bench:
    """What all cases share."""

    server: WatchedServer
    forker: Forker
    one: Specimen
    directory: Path
    rng: np.random.Generator
    tally: Tally
    n_requests: dict[str, int]
    seconds: dict[str, float]
    n_calls: int = 0
    n_cases: int = 0

    def case(self, kind: str) -> Case:
        """A fresh case: a name of its own to store, or a folder of its own to bring back to."""
        self.n_cases += 1
        is_upload = kind == "keep"
        folder = f"case_{self.n_cases}" if is_upload else "stored"
        path = self.one.path
        if not is_upload:
            path = self.directory / "back" / path.name
            shutil.rmtree(path.parent, ignore_errors=True)
        name = f"trajectories/0shot/{folder}/{path.name}"
        first = len(self.server.requests)
        return Case(kind, name, path, self.one, self.directory, first)


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` kills of all kinds."""
    rng = np.random.default_rng([seed, ROW])
    one = make_own(directory, "own", seed, n_samples=8, d_model=128)
    tally = Tally(n, progress)
    with (
        WatchedServer() as server,
        Forker("tests.soak.copy_jobs", directory / "errors") as forker,
    ):
        bench = _Bench(server, forker, one, directory, rng, tally, {}, {})
        _calibrate(bench)
        for kind, share in _SHARES.items():
            due = n - tally.n_done if kind == "fetch" else max(1, round(n * share))
            _kill_all(bench, kind, min(due, n - tally.n_done))
    return _outcome(n, seed, tally, bench)


def _kill_all(bench: _Bench, kind: str, n: int) -> None:
    """`n` kills of one kind."""
    ends_at = bench.tally.n_done + n
    in_turn = iter(bench.rng.permutation(bench.n_calls).tolist())
    while bench.tally.n_done < ends_at:
        case = bench.case("keep" if kind == "record" else kind)
        n_in_a_row = 1
        if bench.rng.random() < MORE_SHARE:
            n_in_a_row = int(bench.rng.integers(2, MOST_IN_A_ROW + 1))
        kills: list[Kill] = []
        for _ in range(min(n_in_a_row, ends_at - bench.tally.n_done)):
            if kind == "record":
                number = next(in_turn, int(bench.rng.integers(bench.n_calls)))
                kills.append(partial(_kill_at_call, bench, case, number))
            elif bench.rng.random() < 0.3:
                delay_s = float(bench.rng.uniform(0, bench.seconds[kind]))
                kills.append(partial(_kill_after, bench, case, delay_s))
            else:
                number = int(bench.rng.integers(bench.n_requests[kind]))
                kills.append(partial(_kill_at_request, bench, case, number))
        _run_killed(bench, case, kills)


def _run_killed(bench: _Bench, case: Case, kills: Sequence[Kill]) -> None:
    """Kill runs of one case in a row, let the next one through, and note each kill."""
    done: list[str] = []
    wrong: list[str] = []
    for kill in kills:
        at, is_killed = kill()
        bench.server.settle()
        wrong += check_after_kill(bench.server, case)
        if is_killed:  # else the run was over before
            done.append(at)
    bench.server.watch.arm()
    status = bench.forker.run(case.job(bench.server))
    bench.server.settle()
    if status != 0:
        wrong.append(f"the next run failed: {bench.forker.errors()}")
    if done:
        counts = bench.tally.counts
        wrong += check_next_run(bench.server, case, len(kills), len(done), counts)
        counts["next runs"] += 1
        counts[f"kills of {case.kind}"] += len(done)
    for at in done:
        bench.tally.case(f"kill {bench.tally.n_done} of {case.kind} {at} ({done})", wrong)


def _kill_at_request(bench: _Bench, case: Case, number: int) -> tuple[str, bool]:
    """Kill a run when the server sees a certain request of it."""
    is_lossy = bool(bench.rng.random() < 0.5)
    bench.server.watch.arm(number, is_lossy=is_lossy)
    bench.server.watch.client(bench.forker.start(case.job(bench.server)))
    how = "lost" if is_lossy else "carried out"
    return f"at request {number}, which was {how}", _was_killed(bench, bench.forker.ended())


def _kill_after(bench: _Bench, case: Case, delay_s: float) -> tuple[str, bool]:
    """Kill a run some time after its start."""
    bench.server.watch.arm()
    child = bench.forker.start(case.job(bench.server))
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    return f"after {delay_s * 1e3:.0f} ms", _was_killed(bench, bench.forker.ended())


def _kill_at_call(bench: _Bench, case: Case, number: int) -> tuple[str, bool]:
    """Kill a run right before a certain system call that writes."""
    bench.server.watch.arm()
    calls, status = bench.forker.run_traced(case.job(bench.server), number)
    return f"before call {number} ({calls[-1]})", _was_killed(bench, status)


def _was_killed(bench: _Bench, status: int) -> bool:
    """Whether a child died by the kill; one that failed by itself is an error of this test."""
    failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
    assert not failed, f"a run failed by itself: {bench.forker.errors()}"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _calibrate(bench: _Bench) -> None:
    """Requests, seconds and writing system calls of runs that nobody kills."""
    for kind in ("keep", "restore", "fetch"):
        taken: list[float] = []
        for _ in range(_CALIBRATIONS):
            case = bench.case(kind)
            if kind == "keep" and not taken:  # what is brought back later
                case = case.renamed(bench.case("fetch").name)
            bench.server.watch.arm()
            started = time.monotonic()
            status = bench.forker.run(case.job(bench.server))
            taken.append(time.monotonic() - started)
            assert status == 0, f"a run that nobody kills must succeed: {bench.forker.errors()}"
            bench.server.settle()
            bench.n_requests[kind] = bench.server.watch.n_seen
        bench.seconds[kind] = statistics.median(taken)
    calls, status = bench.forker.run_traced(bench.case("keep").job(bench.server))
    assert status == 0, bench.forker.errors()
    bench.n_calls = len(calls)


def _outcome(n: int, seed: int, tally: Tally, bench: _Bench) -> Outcome:
    """What all kills came to."""
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n}; {counts['next runs']} next runs; sent again at most "
        f"{counts['most parts sent again']} parts of {PART_BYTES:,} bytes a kill with "
        f"{N_CONNECTIONS} streams, fetched again at most {counts['most ranges fetched again']} "
        f"ranges of {RANGE_BYTES:,} bytes a kill",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"requests": bench.n_requests, "system_calls": bench.n_calls} | dict(counts),
    )
