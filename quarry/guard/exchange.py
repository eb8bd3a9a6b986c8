"""One request to a `server`, on the caller's side: write it, read all, end it in time.

Three socket pairs belong to a request. `channel` carries the request one way and the worker's
messages the other, `errors` is its standard error, and `status` leads to its minder, which says
`begun`, then the exit code, and kills the worker when the caller shuts its side.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from typing import Literal

from quarry.guard.client import GuardServer, ServerLostError

_DEATH_S = 5.0
_READ_BYTES = 1 << 18
_ERRORS_KEPT_BYTES = 4096

_Name = Literal["status", "channel", "errors"]
_NAMES: tuple[_Name, ...] = ("status", "channel", "errors")


class Exchange:
    """One request under way.

    Args:
        body: the request, as `server` reads it.

    Attributes:
        is_overdue: whether the worker was killed because of its deadline.
    """

    def __init__(self, body: bytes) -> None:
        self.is_overdue = False
        self._left = memoryview(body)
        self._read = {name: bytearray() for name in _NAMES}
        self._near: dict[_Name, socket.socket] = {}
        self._far: dict[_Name, socket.socket] = {}

    @property
    def output(self) -> bytes:
        """What the worker wrote to its channel."""
        return bytes(self._read["channel"])

    @property
    def errors(self) -> bytes:
        """The last bytes of its standard error."""
        return bytes(self._read["errors"])

    @property
    def has_begun(self) -> bool:
        """Whether a worker was started."""
        return b"\n" in self._read["status"]

    @property
    def code(self) -> int | None:
        """Exit code of the worker, negative for a signal; None where it is not known."""
        lines = self._read["status"].split(b"\n")
        return int(lines[1]) if len(lines) > 2 else None

    def run(self, server: GuardServer, deadline_s: float) -> None:
        """Hand the request to the server and stay until the worker has ended or was killed.

        Args:
            server: takes the request.
            deadline_s: seconds after which the worker is killed, with all that it started.

        Raises:
            ServerLostError: if no worker was started, or its minder was killed, and it with it;
                neither says anything about the request.
        """
        end_s = time.monotonic() + deadline_s
        for name in _NAMES:
            self._near[name], self._far[name] = socket.socketpair()
            self._near[name].setblocking(False)
        self._hand_over(server)
        try:
            self.is_overdue = not self._exchange(end_s)
        finally:
            if self.has_begun and self.code is None:
                self._kill()
        for name in _NAMES:
            while self._receive(name):
                pass
        if self.code is None and not self.is_overdue:
            raise ServerLostError

    def close(self) -> None:
        """Close the sockets; a worker that still runs is killed by its minder."""
        for one in (*self._near.values(), *self._far.values()):
            one.close()

    def _hand_over(self, server: GuardServer) -> None:
        """Give the far ends away, and the working directory, to which paths may be relative."""
        folder = os.open(".", os.O_PATH)
        try:
            server.hand_over([*(one.fileno() for one in self._far.values()), folder])
        finally:
            os.close(folder)
        for one in self._far.values():
            one.close()

    def _exchange(self, end_s: float) -> bool:
        """Write the request and read until the worker has ended; False if `end_s` came first."""
        with selectors.PollSelector() as selector:
            for name in _NAMES:
                selector.register(self._near[name], selectors.EVENT_READ, name)
            channel = self._near["channel"]
            selector.modify(channel, selectors.EVENT_READ | selectors.EVENT_WRITE, "channel")
            while self.code is None:
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    return False
                for key, events in selector.select(left_s):
                    if events & selectors.EVENT_WRITE and self._send():
                        selector.modify(channel, selectors.EVENT_READ, "channel")
                    if events & selectors.EVENT_READ and self._receive(key.data) == b"":
                        if key.data == "status":
                            return True
                        selector.unregister(key.fileobj)
        return True

    def _send(self) -> bool:
        """Send some of the request; True when there is no more to send."""
        channel = self._near["channel"]
        try:
            self._left = self._left[channel.send(self._left) :]
        except BlockingIOError:
            return False
        except ConnectionError:  # it died before it had read all
            return True
        if self._left:
            return False
        with contextlib.suppress(OSError):
            channel.shutdown(socket.SHUT_WR)
        return True

    def _receive(self, name: _Name) -> bytes | None:
        """Read what is there: empty at the end, None if there is nothing yet."""
        try:
            read = self._near[name].recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:  # closed with part of the request unread
            return b""
        self._read[name] += read
        if name == "errors":
            del self._read[name][:-_ERRORS_KEPT_BYTES]
        return read

    def _kill(self) -> None:
        """Have the worker killed and wait a while for its end.

        Not for ever: a process that waits for a dead network disk can't be killed.
        """
        status = self._near["status"]
        with contextlib.suppress(OSError):
            status.shutdown(socket.SHUT_WR)
            status.settimeout(_DEATH_S)
            while self.code is None and self._receive("status"):
                pass
        status.setblocking(False)
