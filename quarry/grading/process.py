"""Runs one program with its tests in a process of its own, limited from outside and inside.

Fresh interpreter without site-packages, empty environment, a temporary working directory, a session
that is killed as a group, limits on CPU, memory and files, a wall deadline. This module knows
nothing of benchmarks or verdicts; `quarry.grading.code` turns a `Run` into a grade. It keeps honest
programs from doing harm by accident; it is no sandbox against an attacker.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from quarry.errors import GradingError
from quarry.sandbox.limits import Limits

_RUNNER = Path(__file__).with_name("runner.py")
_WALL_FACTOR = 3
_REPORT_BYTES = 64 * 1024
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set of strings must not change a label
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_IMPORTS_NUMPY = re.compile(r"(?m)^[ \t]*(?:import|from)\s+numpy\b")


@dataclass(frozen=True)
class Run:
    """What became of one program.

    Args:
        state: `passed` or `failed` as the runner reported it, `timeout`, or `died` when the process
            ended without a report.
        report: exception, message, failing test; empty where there was no report.
        wall_s: from start to end.
        cpu_s: user and system time.
        exit_code: of the process, negative for a signal.
    """

    state: str
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    wall_s: float = 0.0
    cpu_s: float = 0.0
    exit_code: int = 0


def run_program(program: str, tests: Sequence[str], limits: Limits) -> Run:
    """Run `program`, then each of `tests` in the same namespace.

    Args:
        program: compiling source.
        tests: compiling source of each test, in order; the first that raises ends the run.
        limits: what the program may use.

    Raises:
        GradingError: the process could not be started, which says nothing about the program.
    """
    _require_linux()
    nonce = secrets.token_hex(16)
    job = {
        "nonce": nonce,
        "program": program,
        "tests": list(tests),
        "paths": _extra_paths(program),
        "cpu_s": math.ceil(limits.timeout_s),
        "wall_s": math.ceil(limits.timeout_s * _WALL_FACTOR),
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
    }
    with (
        tempfile.TemporaryDirectory(
            prefix="quarry-grade-", ignore_cleanup_errors=True
        ) as directory,
        tempfile.TemporaryFile() as job_file,
    ):
        job_file.write(json.dumps(job).encode())
        job_file.seek(0)
        return _watched(cast(BinaryIO, job_file), directory, nonce, limits)


def _require_linux() -> None:
    if not hasattr(os, "pidfd_open") or not sys.executable:
        raise GradingError(
            "Programs can't be graded on this machine",
            where=sys.platform,
            expected="Linux 5.3 or newer, where a process can be limited, watched and killed",
            got=f"{sys.platform}, interpreter {sys.executable or 'unknown'}",
            fix="grade code benchmarks on a Linux machine or in a Linux VM",
        )


def _extra_paths(program: str) -> list[str]:
    """Where numpy lies, for programs that import it; the official harness installs it too."""
    if not _IMPORTS_NUMPY.search(program):
        return []
    spec = importlib.util.find_spec("numpy")
    return [str(Path(spec.origin).parents[1])] if spec and spec.origin else []


def _watched(job: BinaryIO, directory: str, nonce: str, limits: Limits) -> Run:
    """Start the runner, wait for its end or the deadline, leave nothing of it behind."""
    reading, writing = os.pipe()
    started = time.monotonic()
    try:
        try:
            process = _started(job, directory, writing)
        finally:
            os.close(writing)
        try:
            deadline = started + limits.timeout_s * _WALL_FACTOR
            output, is_late = _wait(process.pid, reading, deadline)
        finally:
            _, status, usage = _kill_group(process)
        output += _rest(reading)
    finally:
        os.close(reading)
    ended = Run(
        state="died",
        wall_s=round(time.monotonic() - started, 3),
        cpu_s=round(usage.ru_utime + usage.ru_stime, 3),
        exit_code=os.waitstatus_to_exitcode(status),
    )
    return _judged(ended, _reports(output, nonce), limits, is_late=is_late)


def _started(job: BinaryIO, directory: str, writing: int) -> subprocess.Popen[bytes]:
    """The runner, reading the job, in a session of its own.

    `-s -P -S` with an environment of ours isolates like `-I`, which would ignore the hash seed.
    """
    try:
        return subprocess.Popen(
            [sys.executable, "-s", "-P", "-S", "-B", "-X", "utf8", str(_RUNNER), str(writing)],
            stdin=job,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writing,),
            cwd=directory,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(str(error)) from error


def _not_started(got: str) -> GradingError:
    return GradingError(
        "The process that grades a program could not be started",
        where=str(_RUNNER.name),
        expected="a running interpreter within the limits",
        got=got,
        fix="raise the limits' memory_bytes, or free memory and processes, and grade again",
    )


def _wait(pid: int, reading: int, deadline: float) -> tuple[bytes, bool]:
    """What was reported up to the end of the process, and whether the deadline came first."""
    output = b""
    exited = os.pidfd_open(pid)
    try:
        watched = [reading, exited]
        while (left_s := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(watched, [], [], left_s)
            if reading in ready:
                chunk = os.read(reading, _REPORT_BYTES)
                output = _capped(output + chunk)
                if not chunk:
                    watched.remove(reading)  # closed by the program; its end is still to come
            elif exited in ready:
                return output, False
        return output, True
    finally:
        os.close(exited)


def _capped(output: bytes) -> bytes:
    """Start and end of a flood: the runner's first report and its last are kept."""
    return (
        output if len(output) <= _REPORT_BYTES else output[:1024] + output[1024 - _REPORT_BYTES :]
    )


def _kill_group(process: subprocess.Popen[bytes]) -> tuple[int, int, Any]:
    """Kill whatever is left of the session, then reap; the group's id is ours until then."""
    os.killpg(process.pid, signal.SIGKILL)
    pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, status, usage


def _rest(reading: int) -> bytes:
    """What still lies in the pipe, without waiting for writers that may have escaped."""
    os.set_blocking(reading, False)
    try:
        return os.read(reading, _REPORT_BYTES)
    except BlockingIOError:
        return b""


def _reports(output: bytes, nonce: str) -> list[dict[str, Any]]:
    """The lines that carry the nonce; anything else in the pipe was not written by the runner."""
    reports: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and cast(dict[str, Any], content).pop("nonce", None) == nonce:
            reports.append(cast(dict[str, Any], content))
    return reports


def _judged(ended: Run, reports: list[dict[str, Any]], limits: Limits, *, is_late: bool) -> Run:
    """The run with its state; a process without a single report never started."""
    if not reports:
        raise _not_started(f"no sign of life, exit code {ended.exit_code}")
    last = reports[-1]
    state = str(last.pop("state"))
    if state == "started":
        is_out_of_cpu = ended.cpu_s >= limits.timeout_s or -ended.exit_code == signal.SIGXCPU
        is_late = is_late or -ended.exit_code == signal.SIGALRM
        state = "timeout" if is_late or is_out_of_cpu else "died"
    return Run(state, last, ended.wall_s, ended.cpu_s, ended.exit_code)
