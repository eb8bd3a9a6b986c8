"""The process that tests run in: one sitting after the other, until one of them went wrong.

Forked by the server once it is prepared. What a sitting hears from a worker is data, so that the
next one may run in the same process; after a deadline, a death, or many sittings a new one is made.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from quarry.grading.examiner.sitting import Prepared, Sitting, prepared
from quarry.sandbox.inside.kernel_calls import die_with_parent
from quarry.sandbox.inside.waiting import readable
from quarry.sandbox.inside.wire import Channel, ChannelClosedError, FrameError

MOST_SITTINGS = 1000
"""So many, and whatever tests left in memory goes with the process."""


class SittingProcess:
    """A forked process that runs sittings, seen from the server.

    Args:
        memory_bytes: address space that it may use.
        packages: folders of packages that results may be made of, numpy.
        leave: closes what the server has open and this process must not hold.
    """

    def __init__(
        self, memory_bytes: int, packages: Sequence[str], leave: Callable[[], None]
    ) -> None:
        ours, inner = socket.socketpair()
        server_pid = os.getpid()
        self.memory_bytes = memory_bytes
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            leave()
            _serve(inner, server_pid, memory_bytes, packages)
        inner.close()
        self._stream = ours
        self._channel = Channel(ours)
        self._n_sittings = 0
        self._is_sound = True

    @property
    def is_usable(self) -> bool:
        """Whether the next sitting may run here."""
        return self._is_sound and self._n_sittings < MOST_SITTINGS

    def fileno(self) -> int:
        """Readable once there is a report, or the process has ended."""
        return self._stream.fileno()

    def begin(self, request: dict[str, Any], worker: int) -> None:
        """Start a sitting; it is not sound again before its report came.

        Args:
            request: `program`, `entry_point`, `preamble`, `setup`, `tests`, `is_as_published`.
            worker: descriptor of the channel to the worker.
        """
        self._is_sound = False
        self._n_sittings += 1
        with contextlib.suppress(OSError, ChannelClosedError):  # ended: there will be no report
            socket.send_fds(self._stream, [b"\0"], [worker])
            self._channel.send(request)

    def interrupt(self) -> None:
        """The time is over: the sitting is to say how far it came."""
        os.kill(self.pid, signal.SIGALRM)

    def report(self) -> dict[str, Any] | None:
        """What the sitting said; None where it has said nothing so far, or never will."""
        if not readable([self.fileno()], 0):
            return None
        try:
            report = self._channel.receive()
        except FrameError:
            return None
        self._is_sound = True
        return report

    def close(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._channel.close()


def _serve(
    stream: socket.socket, server_pid: int, memory_bytes: int, packages: Sequence[str]
) -> NoReturn:
    """Run sittings until the server is gone; never returns to the server's code."""
    code = 1
    try:
        die_with_parent(server_pid)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        running: list[Sitting] = []

        def end(*_: object) -> None:
            for one in running:
                one.end()

        signal.signal(signal.SIGALRM, end)
        requests = Channel(stream)
        while True:
            _, (worker,), _, _ = socket.recv_fds(stream, 1, 1)
            request: dict[str, Any] = requests.receive()
            if "numpy" in request["program"]:
                _import_numpy(packages)
            channel = Channel(socket.socket(fileno=worker))
            running[:] = [_sitting(channel, request)]
            requests.send(running[0].report())
            running.clear()
            channel.close()
    except (ValueError, ChannelClosedError):  # no descriptor came: the server is gone
        code = 0
    finally:
        os._exit(code)


def _sitting(channel: Channel, request: dict[str, Any]) -> Sitting:
    tests = _prepared(
        request["entry_point"], request["preamble"], request["setup"], tuple(request["tests"])
    )
    return Sitting(channel, tests, request["program"], is_as_published=request["is_as_published"])


@lru_cache(maxsize=MOST_SITTINGS)
def _prepared(entry_point: str, preamble: str, setup: str, tests: tuple[str, ...]) -> Prepared:
    """Compiled tests, for the next program of the same problem, too."""
    return prepared(entry_point, preamble, setup, tests)


def _import_numpy(packages: Sequence[str]) -> None:
    """Load numpy, for results that are arrays; absent where it is not installed."""
    folders = [os.path.dirname(path) for path in packages]  # noqa: PTH120
    sys.path.extend(folders)
    try:
        with contextlib.suppress(ImportError):
            importlib.import_module("numpy")
    finally:
        del sys.path[len(sys.path) - len(folders) :]
