"""A guarded child that misbehaves as `conduct` of its request says, after echoing `value`."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HUGE_BYTES = 17 << 30
LONG = "x" * (1 << 20)


def examine(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    tell({"echo": request["value"]})
    CONDUCTS[request["conduct"]](request, tell)


def _end_well(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    sys.stdout.write('{"line": "printed, not told"}\n')


def _hang(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    time.sleep(600)


def _start_another(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell({"pids": [os.getpid(), os.getppid(), sleeper.pid]})
    sleeper.returncode = 0  # left behind on purpose, without a warning


def _hang_with_another(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    _start_another(request, tell)
    if "mark" in request:
        Path(request["mark"]).touch()
    time.sleep(600)


def _crash(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    ctypes.string_at(0)


def _raise(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    sys.stderr.write(LONG)
    raise RuntimeError("the last words")


def _take_too_much_memory(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    mmap.mmap(-1, HUGE_BYTES)


def _tell_a_lot(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    for number in range(50):
        tell({"number": number, "text": LONG})


def _meet(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Leave a mark and wait for another's."""
    Path(request["mark"]).touch()
    while not Path(request["awaited"]).exists():
        time.sleep(0.005)


def _describe(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    names = os.listdir("/proc/self/fd")  # noqa: PTH208  one of them is gone when it returns
    open_files = [Path("/proc/self/fd", name) for name in names]
    tell(
        {
            "folder": os.getcwd(),  # noqa: PTH109
            "files": [one.name for one in Path().iterdir()],
            "locking": os.environ.get("HDF5_USE_FILE_LOCKING"),
            "n_descriptors": len([one for one in open_files if one.is_symlink()]),
        }
    )


CONDUCTS: dict[str, Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None]] = {
    "end well": _end_well,
    "hang": _hang,
    "leave another behind": _start_another,
    "hang with another": _hang_with_another,
    "crash": _crash,
    "raise": _raise,
    "take too much memory": _take_too_much_memory,
    "tell a lot": _tell_a_lot,
    "meet": _meet,
    "describe": _describe,
}
