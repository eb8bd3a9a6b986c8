"""Runs something that may hang or crash in a child process with a deadline.

HDF5 loops for ever or dies by a signal on some damaged files (see https://github.com/HDFGroup/hdf5
issues 6488 and 6490), so an unproven file is only ever opened in a child. The child reads one JSON
document from its standard input and prints JSON lines; what it printed before it died counts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_STDERR_SHOWN = 300


@dataclass(frozen=True)
class ChildOutcome:
    """What became of a child.

    Args:
        messages: the JSON lines that it printed, up to the first that is none.
        failure: why it did not end well, as a sentence for a person; None if it did.
    """

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failure: str | None = None


def run_guarded(
    module: str, request: Mapping[str, Any], deadline_s: float, arguments: Sequence[str] = ()
) -> ChildOutcome:
    """Run a module as a child and wait no longer than the deadline.

    Args:
        module: name of a module, run by `python -m`.
        request: plain JSON values for its standard input.
        deadline_s: seconds after which it is killed, with all that it started.
        arguments: further command line arguments.
    """
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(json.dumps(request).encode(), timeout=deadline_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        output, _ = child.communicate()
        return ChildOutcome(_messages(output), f"no end after {deadline_s:g} s; it was killed")
    except BaseException:
        _kill(child)
        child.communicate()
        raise
    return ChildOutcome(_messages(output), _failure(child.returncode, errors))


def _environment() -> dict[str, str]:
    """The parent's environment, with this package importable whatever the working directory."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT)}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole process group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _messages(output: bytes) -> list[dict[str, Any]]:
    """The JSON lines, up to the first that is cut or no JSON."""
    made: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            made.append(json.loads(line))
        except ValueError:
            break
    return made


def _failure(code: int, errors: bytes) -> str | None:
    """Why a child ended badly."""
    if code == 0:
        return None
    last = errors.decode("utf-8", "replace").strip()[-_STDERR_SHOWN:]
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}: {last}"
