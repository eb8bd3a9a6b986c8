"""Which processes there are, read from /proc, and scripts that call `run_guarded` in their own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

PREAMBLE = f"""
import os, signal, sys, threading, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from quarry.guard.guarded import run_guarded
from tests.guard.processes import servers_of, wait_for_file
ODD = "tests.guard.odd_children"
def ask(conduct="end well", deadline_s=30, **more):
    return run_guarded(ODD, {{"value": 1, "conduct": conduct, **more}}, deadline_s)
"""


def start_caller(script: str, **options: Any) -> subprocess.Popen[str]:
    """A process that runs `script` after the preamble, with its output captured."""
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + script]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


def descendants(pid: int) -> list[int]:
    """All living processes below a process."""
    parents = {one: parent for one, parent, state in _table() if state != "Z"}
    found = [pid]
    for ancestor in found:
        found += [one for one, parent in parents.items() if parent == ancestor]
    return found[1:]


def servers_of(pid: int) -> list[int]:
    """The guard servers that a process has started."""
    children = [one for one, parent, state in _table() if parent == pid and state != "Z"]
    return [one for one in children if b"quarry.guard.server" in _command_line(one)]


def is_alive(pid: int) -> bool:
    return any(one == pid and state != "Z" for one, _, state in _table())


def wait_until_gone(pids: list[int]) -> list[int]:
    """Wait a while; the processes that are left."""
    end_s = time.monotonic() + PATIENCE_S
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < end_s:
        time.sleep(0.02)
    return left


def wait_for_file(path: Path) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end_s, f"{path} does not appear"
        time.sleep(0.01)


def _command_line(pid: int) -> bytes:
    """What a process was started with; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _table() -> list[tuple[int, int, str]]:
    """Number, parent and state of every process."""
    rows: list[tuple[int, int, str]] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            rows.append((int(folder.name), int(parent), state))
    return rows
