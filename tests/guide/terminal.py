"""`Terminal`: a shell that keeps its folder and variables from one command to the next."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

_PATIENCE_S = 900.0
_END_S = 15.0


class Terminal:
    """Bash in a folder, ended with all that it started.

    Args:
        folder: where it starts.
        environment: all of its variables.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, dict(environment)
        self._beside: list[int] = []

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for group in self._beside:
            _end_group(group)
        _end_group(self._shell.pid)
        self._shell.wait()
        for pipe in (self._shell.stdin, self._shell.stdout):
            if pipe is not None:
                pipe.close()

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        step, mark = self._folder / ".step.sh", f"__{time.monotonic_ns()}__"
        step.write_text(command + "\n", encoding="utf-8")
        self._say(f". {shlex.quote(str(step))} </dev/null\nprintf '\\n{mark} %d\\n' $?\n")
        printed = self._read_until(mark)
        text, _, code = printed.rpartition(mark)
        return int(code), text.removesuffix("\n")

    def start(self, command: str, log: Path, url: str) -> str:
        """Start what does not end by itself, wait until it answers; returns what it printed."""
        code, printed = self.run(f"setsid {command} > {shlex.quote(str(log))} 2>&1 & echo $!")
        assert code == 0, printed
        self._beside.append(int(printed.split()[-1]))
        deadline = time.monotonic() + _PATIENCE_S / 3
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{url}/server_info", timeout=5).ok:
                    break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{command} did not answer:\n{log.read_text()}")
        return log.read_text(encoding="utf-8")

    def _say(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _read_until(self, mark: str) -> str:
        assert self._shell.stdout is not None
        pipe, deadline, printed = self._shell.stdout.fileno(), time.monotonic() + _PATIENCE_S, b""
        while not _is_over(printed, mark.encode()):
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([pipe], [], [], max(left_s, 0.0))
            piece = os.read(pipe, 1 << 16) if ready else b""
            assert piece, f"no end after {_PATIENCE_S:.0f} s, or the shell is gone:\n" + _text(
                printed
            )
            printed += piece
        return _text(printed)


def _is_over(printed: bytes, mark: bytes) -> bool:
    """Whether the mark and the line that it is on are there."""
    return b"\n" in printed.rpartition(mark)[2] if mark in printed else False


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", "replace")


def _end_group(group: int) -> None:
    """Ask all processes of a group to end, and end what is left."""
    for number, patience_s in ((signal.SIGTERM, _END_S), (signal.SIGKILL, 0.0)):
        deadline = time.monotonic() + patience_s
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
            while time.monotonic() < deadline:
                os.killpg(group, 0)
                time.sleep(0.1)
