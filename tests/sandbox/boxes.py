"""Running small programs in a zygote's workers and hearing what they found."""

from __future__ import annotations

import json
import socket
import textwrap
from pathlib import Path
from typing import Any

from quarry.sandbox.inside.zygote_client import Zygote
from quarry.sandbox.start import Layer, zygote_command

PATIENCE_S = 30.0
LIMITS = {"cpu_s": 10, "memory_bytes": 1 << 30, "output_bytes": 1 << 20}


def start_zygote(layer: Layer) -> Zygote:
    command = zygote_command(layer, "quarry.sandbox.inside.probe_worker")
    return Zygote(command.arguments, command.environment)


class Box:
    """One zygote and the programs that were run in it, one after the other."""

    def __init__(self, layer: Layer) -> None:
        self.layer: Layer = layer
        self.zygote = start_zygote(layer)
        self._number = 0

    def run(self, program: str, **limits: int) -> Any:
        """What the program bound to `report`."""
        answer, ended = self.answer(program, **limits)
        assert answer is not None, ended
        assert "report" in answer, answer
        return answer["report"]

    def answer(self, program: str, **limits: int) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """What the worker answered, None where it said nothing, and how it ended."""
        with self.started(program, **limits) as channel:
            raw = _all_of(channel)
        return (json.loads(raw) if raw else None), self.zygote.next_message(PATIENCE_S)

    def started(self, program: str, **limits: int) -> socket.socket:
        """Our end of the channel of a worker that has the program; its end is still to come."""
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_S)
        self._number += 1
        with theirs:
            self.zygote.start(self._number, LIMITS | limits, theirs.fileno())
        assert self.zygote.next_message(PATIENCE_S)["started"] == self._number
        try:
            ours.sendall(textwrap.dedent(program).encode())
            ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was refused, and is gone
        return ours

    def kill(self) -> None:
        """Kill the worker that was started last."""
        self.zygote.kill(self._number)


def _all_of(channel: socket.socket) -> bytes:
    """What came up to the end; nothing from a worker that ended with the program unread."""
    try:
        return channel.makefile("rb").read()
    except ConnectionResetError:
        return b""


def file_facts(path: Path) -> tuple[Any, ...]:
    """What a program must not change of a file."""
    stat = path.stat()
    return path.read_bytes(), stat.st_mode, stat.st_mtime_ns, stat.st_uid, stat.st_nlink
