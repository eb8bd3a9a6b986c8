"""`WatchedServer`: kills its client at the n-th request, and waits for what a dead one sent."""

from __future__ import annotations

import os
import signal
import threading
import time

from tests.b2_server import B2Server
from tests.b2_server.faults import Fault, FaultKind, Faults

_QUIET_S, _POLL_S, _PATIENCE_S = 0.02, 0.005, 30.0


class Watch(Faults):
    """Sees every request as it comes in, before it is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self._kill_at: int | None = None
        self._is_lossy = False
        self._pid: int | None = None
        self._has_pid = threading.Event()
        self._count = threading.Lock()
        self.n_seen = 0

    def arm(self, kill_at: int | None = None, *, is_lossy: bool = False) -> None:
        """Start counting.

        Args:
            kill_at: how many requests come before the one at which the client is killed.
            is_lossy: whether the network loses the client's last requests with it; else what had
                arrived of them is carried out, with nobody to answer.
        """
        with self._count:
            self.n_seen, self._kill_at, self._is_lossy = 0, kill_at, is_lossy
            self._has_pid.clear()

    def client(self, pid: int) -> None:
        """Say which process is to be killed."""
        self._pid = pid
        self._has_pid.set()

    def choose(self, operation: str, name: str) -> Fault | None:
        """Kill at the right request; lose it and those that come after it, if they are to be."""
        with self._count:
            number, self.n_seen = self.n_seen, self.n_seen + 1
            kill_at, is_lossy = self._kill_at, self._is_lossy
        if kill_at is None or number < kill_at:
            return None
        if number == kill_at and self._has_pid.wait(_PATIENCE_S) and self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
        if not is_lossy:
            return None
        is_upload = operation.startswith("upload_")
        kind = FaultKind.RESET_IN_UPLOAD if is_upload else FaultKind.RESET_BEFORE_ANSWER
        return Fault(kind, at=1.0)


class WatchedServer(B2Server):
    """A B2 server with a `watch`."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.faults = self._service.faults = self.watch

    def settle(self) -> None:
        """Wait until all that dead clients had sent is carried out."""
        ends_at = time.monotonic() + _PATIENCE_S
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            assert time.monotonic() < ends_at, "a connection of a dead client stayed open"
            if self._service._open:
                quiet_since = time.monotonic()
            time.sleep(_POLL_S)
