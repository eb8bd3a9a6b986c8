"""The processes that do the ways of inference, seen from the one that compares them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

_POLL_S = 0.25


class WayProcess:
    """One way, in a process of its own that keeps its model loaded.

    Args:
        command: what serves `inference_worker.serve`.
        settings: its first line.
    """

    def __init__(self, command: Sequence[str], settings: dict[str, Any]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `__exit__`
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        try:
            self.start_s = float(self.ask(settings)["seconds"])
        except BaseException:
            self.__exit__()
            raise

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have it do a job, and wait for the answer.

        Raises:
            SystemExit: the process has failed; with the end of its log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        self._log.seek(0)
        raise SystemExit("\n".join(self._log.read().decode(errors="replace").splitlines()[-25:]))

    def ask_for_memory(self, job: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """The same, and the most memory that the process and its children had, in bytes.

        Looking costs them time, so such a job is no measurement of it.
        """
        with _PeakMemory(self._process.pid) as peak:
            facts = self.ask(job)
        return facts, peak.n_bytes

    def __enter__(self) -> Self:
        """The process itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and what it started; it ends by itself when nothing more can come."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


class _PeakMemory:
    """Looks again and again at the memory of a process and its children.

    Pages that several of them share count once, by their shares of it (PSS).
    """

    def __init__(self, pid: int) -> None:
        self.n_bytes = 0
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.n_bytes = max(self.n_bytes, sum(map(_memory_bytes, _family(self._pid))))
            if self._is_over.wait(_POLL_S):
                return


def _family(pid: int) -> list[int]:
    """A process, its children and theirs."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += _family(int(child))
    return found


def _memory_bytes(pid: int) -> int:
    """Memory of one process; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
