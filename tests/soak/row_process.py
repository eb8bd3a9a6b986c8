"""One row in a process of its own: a row that crashes or hangs ends nothing but itself.

The child, `python -m tests.soak.row_process`, says JSON lines: progress, and the outcome at last.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from quarry.progress import ProgressLog
from tests.soak.outcome import Outcome
from tests.soak.rows import Row, rows

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_row(
    row: Row, n: int, seed: int, *, is_full_size: bool, log: Callable[[str], None]
) -> Outcome:
    """Run a row in a child and wait for it.

    Args:
        row: the row.
        n: how many cases.
        seed: of every draw.
        is_full_size: see `rows.rows`.
        log: takes lines of progress.
    """
    command = [sys.executable, "-m", "tests.soak.row_process", str(row.number), str(n), str(seed)]
    command += ["--full-size"] if is_full_size else []
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    started, outcome = time.monotonic(), None
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=environment,
    ) as child:  # fmt: skip
        try:
            for line in child.stdout or ():
                said = json.loads(line)
                if "progress" in said:
                    log(f"row {row.number}: {said['progress']}")
                else:
                    outcome = Outcome(**said["outcome"])
            errors = child.stderr.read() if child.stderr else ""
        finally:
            child.kill()
    seconds = round(time.monotonic() - started, 1)
    return replace(outcome or _lost(row, n, seed, child.returncode, errors), seconds=seconds)


def _lost(row: Row, n: int, seed: int, status: int, errors: str) -> Outcome:
    """The outcome of a row whose process died."""
    last = errors.strip()[-1500:]
    return Outcome(
        row=row.number,
        claim="the row's process came to an end",
        n_asked=n,
        n_reached=0,
        figure=f"the process died with status {status}",
        bar="an outcome",
        is_met=False,
        seed=seed,
        misses=(last,),
    )


def main() -> None:
    """The child."""
    parser = argparse.ArgumentParser(description="Run one row of the soak.")
    for name in ("row", "n", "seed"):
        parser.add_argument(name, type=int)
    parser.add_argument("--full-size", action="store_true")
    given = parser.parse_args()
    row = rows(is_full_size=given.full_size)[given.row]
    with tempfile.TemporaryDirectory(prefix=f"soak-{row.number}-") as directory:
        outcome = row.run(given.n, given.seed, Path(directory), _Progress())
    _say({"outcome": {**outcome.as_dict(), "misses": list(outcome.misses)}})


class _Progress:
    """Says lines of progress; the number of cases is known with the first."""

    def __init__(self) -> None:
        self._log: ProgressLog | None = None

    def __call__(self, done: int, total: int) -> None:
        """So many cases are done."""
        if self._log is None:
            self._log = ProgressLog(lambda line: _say({"progress": line}), total, "cases")
        self._log.update(done)


def _say(value: object) -> None:
    """Say one JSON line at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
