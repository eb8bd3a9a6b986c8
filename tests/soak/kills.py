"""Row 7: `kill -9` while a cell is collected and published over an older version.

Half of the kills come at moments drawn uniformly over a run, the other half right before a system
call that writes: each of one run's calls in turn, then drawn ones. Some runs are killed several
times in a row before one is let through. What must hold after a kill, and after the next run, is
in `aftermath`. A kill is no loss of power: what is in the page cache survives it.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tests.soak.aftermath import NEW, Versions, check_after_kill, check_next_run
from tests.soak.collector import collect_and_publish
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.system_calls import run_traced

ROW = 7
CLAIM = "kill -9 while a file is collected and published"
BAR = "0 half-published, 0 lost versions or rows, all swept, the next run succeeds"
MOST_IN_A_ROW = 4
MORE_SHARE = 0.3
_CALIBRATIONS = 3

Kill = Callable[[Path], tuple[str, bool]]
"""Runs the work in a data directory and kills it: when, and whether that was in time."""


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` kills, half of them at system calls."""
    rng = np.random.default_rng([seed, ROW])
    versions = Versions.make(directory)
    tally = Tally(n, progress)
    calls, _ = run_traced(_work(_fresh(directory, versions)))
    longest_s = _duration_s(directory, versions)
    in_turn = iter(rng.permutation(len(calls)).tolist())
    while tally.n_done < n:
        most = min(_in_a_row(rng), n - tally.n_done)
        if tally.n_done < n // 2:
            kills = [partial(_kill_after, delay_s=float(rng.uniform(0, longest_s)))
                     for _ in range(most)]  # fmt: skip
        elif (number := next(in_turn, None)) is not None:
            kills = [partial(_kill_before, number=number)]
        else:
            kills = [partial(_kill_before, number=int(rng.integers(len(calls))))
                     for _ in range(most)]  # fmt: skip
        _run_killed(_fresh(directory, versions), versions, kills, tally)
    return _outcome(n, seed, tally, len(calls))


def _run_killed(data_dir: Path, versions: Versions, kills: Sequence[Kill], tally: Tally) -> None:
    """Kill runs of one cell in a row, let the next one through, and note each kill as a case."""
    done: list[str] = []
    wrong: list[str] = []
    for kill in kills:
        at, is_killed = kill(data_dir)
        if is_killed:  # else the run was over before
            done.append(at)
            wrong += check_after_kill(data_dir, versions, tally.counts)
    if done:
        wrong += check_next_run(data_dir, versions, tally.counts)
    for _ in done:
        tally.case(f"kill {tally.n_done} {', '.join(done)}", wrong)


def _outcome(n: int, seed: int, tally: Tally, n_calls: int) -> Outcome:
    """What all kills came to."""
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n}; {counts['next runs']} next runs kept "
        f"{counts['rows kept']} rows, ran {counts['rows run']}; after a kill "
        f"{counts['old version']} times the old version, {counts['new version']} the new one, "
        f"{counts['recovered']} recovered; {n_calls} system calls a run",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"system_calls": n_calls} | dict(counts),
    )


def _in_a_row(rng: np.random.Generator) -> int:
    """How often work is killed before it is let through."""
    return int(rng.integers(2, MOST_IN_A_ROW + 1)) if rng.random() < MORE_SHARE else 1


def _fresh(directory: Path, versions: Versions) -> Path:
    """A data directory in which the old version is published."""
    data_dir = directory / "data"
    shutil.rmtree(data_dir, ignore_errors=True)
    shutil.copytree(versions.old_dir, data_dir)
    return data_dir


def _work(data_dir: Path) -> Callable[[], object]:
    """The run that is killed; what its engine is asked is of no interest."""
    return partial(collect_and_publish, data_dir, NEW, data_dir / "calls_before")


def _duration_s(directory: Path, versions: Versions) -> float:
    """Median seconds of a run in a forked child."""
    taken: list[float] = []
    for _ in range(_CALIBRATIONS):
        data_dir = _fresh(directory, versions)
        started = time.monotonic()
        child = _fork(_work(data_dir))
        assert os.waitpid(child, 0)[1] == 0, "a run that nobody kills must succeed"
        taken.append(time.monotonic() - started)
    return statistics.median(taken)


def _fork(work: Callable[[], object]) -> int:
    """Start work in a child."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(7)
    return child


def _kill_after(data_dir: Path, delay_s: float) -> tuple[str, bool]:
    """Kill a run some time after its start; False if it was over by then."""
    child = _fork(_work(data_dir))
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return f"after {delay_s * 1e3:.0f} ms", _was_killed(status)


def _kill_before(data_dir: Path, number: int) -> tuple[str, bool]:
    """Kill a run before its `number`-th writing call; False if it made fewer."""
    seen, status = run_traced(_work(data_dir), kill_at=number)
    return f"before call {number} ({seen[-1]})", _was_killed(status)


def _was_killed(status: int) -> bool:
    """Whether a child died by the kill; one that failed by itself is an error of this test."""
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the run failed by itself"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
