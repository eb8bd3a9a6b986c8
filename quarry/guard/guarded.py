"""Runs something that may hang or crash in a child process with a deadline.

HDF5 loops for ever or dies by a signal on some damaged files (see https://github.com/HDFGroup/hdf5
issues 6488 and 6490), so an unproven file is only ever opened in a child. The child tells JSON
messages; what it told before it died counts.

A new interpreter that imports h5py takes 0.17 s, so on Linux each calling process keeps one
`server`, started on first use, which has done that and forks a worker for each request.
Elsewhere, and where the server can't be started, a request takes a process of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quarry.guard.client import GuardServer, ServerLostError
from quarry.guard.environment import needed
from quarry.guard.exchange import Exchange
from quarry.guard.outcome import ChildOutcome, ended_child, overdue_child

__all__ = ["ChildOutcome", "Guard", "run_alone", "run_guarded"]

_ROOT = Path(__file__).resolve().parents[2]
_SERVER = "quarry.guard.server"


def run_guarded(module: str, request: Mapping[str, Any], deadline_s: float) -> ChildOutcome:
    """Call `module.examine(request, tell)` in a child and wait no longer than the deadline.

    Safe from several threads, whose requests run side by side, and in a fork of the caller. The
    child has the caller's working directory, and of the environment of the caller's first request
    what `environment` lets through, except that a change of an `HDF5_` variable counts at once.

    Args:
        module: name of a module with a function `examine(request, tell)`; `tell` takes a dict of
            plain JSON values and sends it at once.
        request: plain JSON values.
        deadline_s: seconds after which the child is killed, with all that it started.
    """
    return _guard.run(module, request, deadline_s)


class Guard:
    """Keeps one server for this process.

    Args:
        command: starts a server that `client.GuardServer` can talk to.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._server: GuardServer | None = None
        self._settings: dict[str, str] = {}
        self._under_way: set[Exchange] = set()
        self._is_registered = False

    def run(self, module: str, request: Mapping[str, Any], deadline_s: float) -> ChildOutcome:
        """As `run_guarded`; what was lost for no fault of the request is done again, once."""
        body = json.dumps([module, deadline_s, request]).encode()
        for _ in range(2):
            server = self._running_server()
            if server is None:
                break
            try:
                return self._ask(server, body, deadline_s)
            except ServerLostError:
                self._drop(server)
        return run_alone(module, request, deadline_s)

    @property
    def server_pid(self) -> int | None:
        """Process number of the server, where one was started."""
        return self._server.pid if self._server else None

    def close(self) -> None:
        """End the server; the next request starts another."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    def _running_server(self) -> GuardServer | None:
        """The server, started if need be; None if it can't be."""
        if sys.platform != "linux":
            return None
        settings = {name: value for name, value in os.environ.items() if name.startswith("HDF5_")}
        with self._lock:
            if self._server is not None and self._settings != settings:
                self._server.close()
                self._server = None
            if self._server is None:
                self._register()
                command = self._command or [sys.executable, "-P", "-m", _SERVER, "serve"]
                try:
                    self._server, self._settings = GuardServer(command, _environment()), settings
                except ServerLostError:
                    return None
            return self._server

    def _register(self) -> None:
        """Once: close at exit, and let go of everything in a fork."""
        if not self._is_registered:
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
            self._is_registered = True

    def _ask(self, server: GuardServer, body: bytes, deadline_s: float) -> ChildOutcome:
        """One request to a running server."""
        exchange = Exchange(body)
        self._under_way.add(exchange)
        try:
            exchange.run(server, deadline_s)
        finally:
            self._under_way.discard(exchange)
            exchange.close()
        if not exchange.has_begun:  # it hangs
            self._drop(server)
        if exchange.code is None or exchange.is_overdue:
            return overdue_child(exchange.output, deadline_s)
        return ended_child(exchange.output, exchange.errors, exchange.code)

    def _drop(self, server: GuardServer) -> None:
        """End a server that is no good, unless another thread was faster."""
        with self._lock:
            if self._server is server:
                server.close()
                self._server = None

    def _forget(self) -> None:
        """In a fork: only the parent shall hold what its server and its minders wait on."""
        self._lock = threading.Lock()
        for exchange in self._under_way:
            exchange.close()
        self._under_way.clear()
        if self._server is not None:
            self._server.forget()
            self._server = None


_guard = Guard()


def run_alone(module: str, request: Mapping[str, Any], deadline_s: float) -> ChildOutcome:
    """As `run_guarded`, in a new process that serves this request only.

    Args:
        module: name of a module with a function `examine(request, tell)`.
        request: plain JSON values.
        deadline_s: seconds after which the child is killed, with all that it started.
    """
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", _SERVER, "once", module, str(deadline_s)],
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
        return overdue_child(output, deadline_s)
    except BaseException:
        _kill(child)
        child.communicate()
        raise
    return ended_child(output, errors, child.returncode)


def _environment() -> dict[str, str]:
    """What a child needs, with this package importable whatever the working directory."""
    path = os.environ.get("PYTHONPATH")
    return {
        **needed(os.environ),
        "PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT),
    }


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole process group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
