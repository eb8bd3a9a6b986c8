"""The caller's handle on a `server`: start it, hand it the ends of a request, end it.

What goes over those ends is in `exchange`; when a server is started is in `guarded`.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence

_START_S = 60.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ServerLostError(Exception):
    """The server can't be started, or it or the minder is gone and the request without an end."""


class GuardServer:
    """A running server process.

    Args:
        command: the program and its arguments; the number of its socket is added.
        environment: of the process, to which one thread per numerical library is added, since a
            process with threads can't be forked safely.

    Raises:
        ServerLostError: if it does not come up.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        try:
            self._control, far = socket.socketpair()
        except OSError as error:
            raise ServerLostError from error
        with far:
            try:
                self._process = _start(command, environment, far.fileno())
            except OSError as error:
                self._control.close()
                raise ServerLostError from error
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    def hand_over(self, descriptors: Sequence[int]) -> None:
        """Give copies of the far ends of one request to the server.

        Raises:
            ServerLostError: if nobody is there to take them.
        """
        try:
            socket.send_fds(self._control, [b"r"], descriptors)
        except OSError as error:
            raise ServerLostError from error

    def close(self) -> None:
        """End the process; requests that have begun go on, their minders need no server."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Let go of it in a fork of the caller, whose child it is not."""
        self._control.close()
        self._process.returncode = 0  # else a warning that it still runs when it is collected

    def _wait_until_ready(self) -> None:
        """Until it has imported what workers need: 0.2 s warm, seconds on a cold network disk."""
        self._control.settimeout(_START_S)
        try:
            is_ready = self._control.recv(1)
        except OSError as error:
            raise ServerLostError from error
        if not is_ready:
            raise ServerLostError
        self._control.settimeout(None)


def _start(
    command: Sequence[str], environment: Mapping[str, str], control: int
) -> subprocess.Popen[bytes]:
    """The process; it holds no stream of the caller, since a reader may wait for their end."""
    return subprocess.Popen(
        [*command, str(control)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**environment, **dict.fromkeys(_THREADS, "1")},
        pass_fds=(control,),
        start_new_session=True,
    )
