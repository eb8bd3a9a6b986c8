"""Row 21: `kill -9` of what a run needs, in a platform of real processes.

Code server and daemon run as processes of their own, with the product's settings but for shorter
intervals, and each case kills something in the middle of a cell. Killed runs must end as failed,
their places in the pool must be free, and the next run of the cell must succeed, go on from the
rows that were written and leave nothing behind. Runs whose worker lives must never be ended.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np

from quarry.trajectory.verification import verify
from resources.run_workers import HOST_TAG, UNFINISHED
from tests.live_processes import descendants, kill, wait_for
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.slow_cells import MODELS, N_BEFORE_WAITING, N_SAMPLES, file_of
from tests.soak.slow_platform import (
    SlowPlatform,
    kill_at_once,
    kill_with_children,
)

ROW = 21
CLAIM = "kill -9 of worker, code server, daemon, command, or of all at once"
BAR = "0 runs left STARTED, 0 living ones ended, every next run succeeds and leaves nothing"
SETTINGS = {"run_monitoring": {"poll_interval_seconds": 1}}
LIMIT_S = 3
SURVIVORS = ("server", "daemon")
"""Cases in which the worker lives on, and so the run."""
ENDED_BY = {
    "all": "nothing works on it any more",
    "both": "nothing works on it any more",
    "command": "nothing works on it any more",
    "limit": "exceeding maximum runtime",
    "worker": "terminated by signal",
}
"""What the log of a killed run says: our sensor, Dagster's time limit, or its code server."""


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` kills, each kind in its turn."""
    rng = np.random.default_rng([seed, ROW])
    tally, waits_s = Tally(n, progress), list[float]()
    with SlowPlatform.open(directory, SETTINGS) as platform:
        case = _Case(platform)
        for number in range(n):
            victim = MODELS[number % len(MODELS)]
            rows = int(rng.integers(1, N_BEFORE_WAITING + 1))
            wrong = list(case.try_out(victim, rows))
            waits_s.append(case.wait_s)
            tally.counts["survived"] += victim in SURVIVORS
            tally.case(f"kill {number} of {victim} after row {rows}", wrong)
        left = platform.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n}; {len(left)} runs left unfinished; a dead run showed as failed "
        f"after {max(waits_s):.0f} s at most; {tally.counts['survived']} runs outlived a kill "
        "beside them",
        bar=BAR,
        is_met=tally.is_whole and not left,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"longest_wait_s": round(max(waits_s), 1), "unfinished": len(left)},
    )


class _Case:
    """Kills one thing after the other; code server and daemon run whenever a case begins.

    Args:
        platform: where they run.
    """

    def __init__(self, platform: SlowPlatform) -> None:
        self.wait_s = 0.0
        self._platform = platform
        self._server = platform.start_server()
        self._daemon = platform.start_daemon()

    def try_out(self, victim: str, rows: int) -> Iterator[str]:
        """Kill `victim` after some rows of its cell, and say what was wrong afterwards."""
        platform, self.wait_s = self._platform, 0.0
        kept = platform.calls_of(victim)
        platform.hold(victim, rows)
        command, run_id = self._begin(victim)
        wait_for(lambda: platform.rows_of(victim) >= rows, f"{rows} rows of {victim}")
        self._kill(victim, command, run_id)
        killed_at, killed_when_s = time.monotonic(), time.time()
        self._restart()
        if victim in SURVIVORS:
            wait_for(lambda: platform.looks_since(killed_when_s) > 1, "two looks of the sensor")
            platform.release(victim)
        wait_for(lambda: platform.run_with(run_id).is_finished, f"the end of {victim}'s run")
        if victim in SURVIVORS:
            yield from self._wrong_with_survivor(victim, run_id)
            return
        self.wait_s = time.monotonic() - killed_at
        if (status := platform.run_with(run_id).status) != dg.DagsterRunStatus.FAILURE:
            yield f"the run is {status.value}"
        if not any(ENDED_BY[victim] in said for said in platform.log_of(run_id)):
            yield f"its log says nothing of '{ENDED_BY[victim]}'"
        if victim == "all":
            platform.release(victim)
            wait_for(
                lambda: platform.run_of(victim).run_id != run_id, "the run that Dagster starts"
            )
            wait_for(lambda: platform.run_of(victim).is_finished, "its end")
        else:
            yield from self._wrong_before_next_run(victim)
            platform.release(victim)
            platform.run_here(victim)
        yield from self._wrong_after(victim)
        if (n := platform.calls_of(victim) - kept) > N_SAMPLES + 1:
            yield f"{n} samples were run for {N_SAMPLES}"

    def _begin(self, victim: str) -> tuple[subprocess.Popen[bytes] | None, str]:
        """Start collecting a cell: the process of a command, or None, and the run."""
        platform = self._platform
        if victim not in ("command", "limit"):
            retries = {} if victim == "all" else {"max_retries": "0"}
            return None, platform.launch(victim, **retries)
        limits = [f"{HOST_TAG}=elsewhere", f"dagster/max_runtime={LIMIT_S}"]
        command = platform.start_command(victim, *(limits if victim == "limit" else []))
        wait_for(lambda: bool(platform.runs_of(victim, UNFINISHED)), "a command's run")
        return command, platform.run_of(victim).run_id

    def _kill(self, victim: str, command: subprocess.Popen[bytes] | None, run_id: str) -> None:
        """Kill what the case is named by."""
        if command is not None:
            kill_with_children(command)
            return
        worker = descendants(self._platform.worker_of(run_id))
        if victim in ("all", "daemon"):
            kill_at_once(self._daemon)
        if victim in ("all", "both", "server"):
            kill_at_once(self._server)
        if victim in ("all", "both", "worker"):
            kill(*worker)

    def _restart(self) -> None:
        """Start again what was killed, as a supervisor does."""
        if self._server.poll() is not None:
            self._server = self._platform.start_server()
        if self._daemon.poll() is not None:
            self._daemon = self._platform.start_daemon()

    def _wrong_with_survivor(self, victim: str, run_id: str) -> Iterator[str]:
        """What is wrong with a run whose worker lived."""
        if (status := self._platform.run_with(run_id).status) != dg.DagsterRunStatus.SUCCESS:
            yield f"a living run is {status.value}"
        yield from self._wrong_after(victim)

    def _wrong_before_next_run(self, victim: str) -> Iterator[str]:
        """What is wrong once a killed run has ended."""
        if (status := self._platform.status_of(victim)) != "FAILED":
            yield f"the cell is {status}"
        if taken := self._platform.places_taken():
            yield f"{taken} places of the pool are taken"

    def _wrong_after(self, victim: str) -> Iterator[str]:
        """What is wrong once the cell was collected."""
        platform = self._platform
        if (status := platform.status_of(victim)) != "MATERIALIZED":
            yield f"the cell is {status} after its next run"
        elif not verify(file_of(platform.data_dir, victim)).is_clean:
            yield "the file does not verify"
        if left := platform.abandoned():
            yield f"left in staging: {left}"
        wait_for(lambda: not platform.places_taken(), "free places in the pool")
