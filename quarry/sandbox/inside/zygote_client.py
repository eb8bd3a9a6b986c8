"""The other end of a zygote's control socket: start it, ask for workers, hear of their ends.

Used by the trusted side (examiner server, probe); what is said over a worker's channel is not
known here. Whoever starts a zygote has to stay: it dies with the *thread* that started it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from quarry.sandbox.inside.waiting import readable

_MESSAGE_BYTES = 65536
_START_PATIENCE_S = 30.0
_END_PATIENCE_S = 5.0
_STDERR_BYTES = 2000


class ZygoteLostError(Exception):
    """The zygote ended or said nothing; the message says what it left on standard error."""


class Zygote:
    """A running zygote and its control socket; a context manager that ends it.

    Attributes:
        control: the socket, to be waited for with others; `fileno()` gives its number.
        pid: of the process that was started, as this one sees it; bubblewrap's in `strict`.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `command` and wait until it is ready.

        Raises:
            ZygoteLostError: it did not become ready.
        """
        self.control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the zygote
        try:
            with inner:
                self.pid = _spawned(command, environment, inner.fileno(), self._stderr.fileno())
        except OSError as error:
            self.control.close()
            self._stderr.close()
            raise ZygoteLostError(f"{command[0]}: {error}") from error
        self._pidfd = os.pidfd_open(self.pid)
        try:
            self.next_message(_START_PATIENCE_S)
        except ZygoteLostError:
            self.close()
            raise

    def fileno(self) -> int:
        """The control socket, for select and poll."""
        return self.control.fileno()

    def start(self, number: int, limits: Mapping[str, Any], channel: int) -> None:
        """Ask for worker `number`; `started` and `ended` will come as messages.

        Args:
            number: of the worker, any that is not used twice.
            limits: `cpu_s`, `memory_bytes`, `output_bytes`, and `paths` if need be.
            channel: descriptor of the worker's end of its channel; may be closed afterwards.

        Raises:
            ZygoteLostError: nobody is there to be asked.
        """
        self._send({"start": number, **limits}, [channel])

    def kill(self, number: int) -> None:
        """Kill worker `number`; nothing happens where it has ended.

        Raises:
            ZygoteLostError: nobody is there to be asked.
        """
        self._send({"kill": number}, [])

    def next_message(self, patience_s: float | None = None) -> dict[str, Any]:
        """What the zygote says next.

        Raises:
            ZygoteLostError: it ended, or said nothing in time.
        """
        if not readable([self.control.fileno()], patience_s):
            raise ZygoteLostError(f"no message within {patience_s} s{self._last_words()}")
        try:
            raw = self.control.recv(_MESSAGE_BYTES)
        except OSError as error:
            raise ZygoteLostError(f"{error}{self._last_words()}") from error
        if not raw:
            raise ZygoteLostError(f"it ended{self._last_words()}")
        return json.loads(raw)

    def close(self) -> None:
        """End the zygote with its worker; waits until both are gone. Once more does nothing."""
        self.control.close()
        if self._stderr.closed:
            return
        if not readable([self._pidfd], _END_PATIENCE_S):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self._stderr.close()

    def __enter__(self) -> Zygote:
        """The running zygote."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def _send(self, message: dict[str, Any], fds: list[int]) -> None:
        try:
            socket.send_fds(self.control, [json.dumps(message).encode()], fds)
        except OSError as error:
            raise ZygoteLostError(f"{error}{self._last_words()}") from error

    def _last_words(self) -> str:
        """What the zygote or bubblewrap left on standard error, for the message of an error."""
        self._stderr.seek(0)
        words = self._stderr.read()[-_STDERR_BYTES:].decode(errors="replace").strip()
        return f": {words}" if words else ""


def _spawned(
    command: Sequence[str], environment: Mapping[str, str], stdin: int, stderr: int
) -> int:
    """The id of a new process, which leads a session of its own.

    Not by `subprocess`: it imports `threading`, with which each fork of the caller costs twice.
    """
    return os.posix_spawnp(
        command[0],
        list(command),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM],
    )
