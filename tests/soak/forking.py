"""A process that has imported everything and forks a child for each job, to be killed from here.

The server under test has threads, and a process with threads must not be forked; this one has
none. Talks in JSON lines: `python -m tests.soak.forking`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.soak.system_calls import NotTraceableError, run_traced

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Job = Mapping[str, Any]
"""Plain JSON values: what the module's function `work` takes."""


class Forker:
    """A context manager around the process.

    Args:
        module: its function `work` does a job; imported once, before any fork.
        errors: file that takes what jobs that fail say.
    """

    def __init__(self, module: str, errors: Path) -> None:
        self._command = [sys.executable, "-m", "tests.soak.forking", module]
        self._errors = errors

    def __enter__(self) -> Self:
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                text=True, cwd=ROOT, env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
            )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process as process:
            if process.stdin is not None:
                process.stdin.close()

    def start(self, job: Job) -> int:
        """Begin a job; returns the id of its process, which stays valid until `ended`."""
        return self._ask(start=dict(job))["pid"]

    def ended(self) -> int:
        """Wait for the job that was begun last; how it ended, as `os.waitpid` says."""
        return self._ask(wait=True)["status"]

    def run(self, job: Job) -> int:
        """Do a job to its end."""
        self.start(job)
        return self.ended()

    def run_traced(self, job: Job, kill_at: int | None = None) -> tuple[list[str], int]:
        """See `system_calls.run_traced`.

        Raises:
            NotTraceableError: the system forbids it.
        """
        said = self._ask(trace=dict(job), kill_at=kill_at)
        if "refused" in said:
            raise NotTraceableError(said["refused"])
        return said["calls"], said["status"]

    def errors(self) -> str:
        """The end of what failed jobs said."""
        return self._errors.read_text()[-800:]

    def _ask(self, **asked: Any) -> dict[str, Any]:
        """One line there and one back."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, f"the forking process ended: {self.errors()}"
        return json.loads(line)


def main() -> None:
    """The process."""
    work: Callable[[Job], object] = import_module(sys.argv[1]).work
    child = 0
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            child = _fork(partial(work, asked["start"]))
            _say(pid=child)
        elif "wait" in asked:
            _say(status=os.waitpid(child, 0)[1])
        else:
            _trace(partial(_told, partial(work, asked["trace"])), asked["kill_at"])


def _trace(work: Callable[[], object], kill_at: int | None) -> None:
    """Do a traced job and say how it ended."""
    try:
        calls, status = run_traced(work, kill_at)
    except NotTraceableError as error:
        _say(refused=str(error))
    else:
        _say(calls=calls, status=status)


def _fork(work: Callable[[], object]) -> int:
    """Do a job in a child."""
    child = os.fork()
    if child == 0:
        try:
            _told(work)
            os._exit(0)
        finally:
            os._exit(7)
    return child


def _told(work: Callable[[], object]) -> None:
    """Do a job; an error is written where the caller can read it."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise


def _say(**values: object) -> None:
    """Say one JSON line at once."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
