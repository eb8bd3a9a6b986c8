"""Serves examinations, one after the other: starts worker and examiner, ends both in time.

Started through `boot` with the caller's stream socket as standard input. Frames of JSON:

    -> {"zygote": [argument, …], "environment": {…}, "packages": [folder, …]}
    <- {"ready": pid}
    -> {"program", "entry_point", "preamble", "setup", "tests", "is_as_published",
        "timeout_s", "memory_bytes", "output_bytes"}
    <- {"state", "phase", "exception", …, "wall_s", "cpu_s"} or {"unable": why}

The caller may have threads and secrets; this process has neither, so that it can fork. The end of
the caller's socket ends it, with all that it started.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NoReturn

from quarry.grading.examiner.clock import Clock, last_descendant
from quarry.grading.examiner.sitting import Prepared, Sitting, prepared
from quarry.grading.examiner.warm_up import warm_up
from quarry.sandbox.inside.kernel_calls import die_with_parent
from quarry.sandbox.inside.prepared_modules import import_prepared
from quarry.sandbox.inside.wire import Channel, ChannelClosedError
from quarry.sandbox.inside.zygote_client import Zygote, ZygoteLostError

WALL_FACTOR = 3
_GRACE_S = 0.3  # for the examiner to say how far it came, once its time is over
_END_PATIENCE_S = 5.0
_REPORT_BYTES = 1 << 16
_MEMORY_MARGIN_BYTES = 1 << 30  # what this process has itself, with numpy
_CPU_MARGIN_S = 2
_NO_REPORT = "the process that runs the tests ended without a report"


class CallerGoneError(Exception):
    """Nobody is left to work for."""


class Server:
    """One zygote, one caller.

    Args:
        caller: the caller's channel.
        zygote: starts the workers.
        packages: folders of packages that programs may import beside the standard library.
    """

    def __init__(self, caller: Channel, zygote: Zygote, packages: list[str]) -> None:
        self._caller = caller
        self._zygote = zygote
        self._zygote_pid = last_descendant(zygote.pid)
        self._packages = packages
        self._n_started = 0

    def examine(self, request: dict[str, Any]) -> dict[str, Any]:
        """The outcome of one examination.

        Raises:
            ZygoteLostError: there are no more workers to be had.
            CallerGoneError: nobody waits for it.
        """
        tests = _prepared(
            request["entry_point"], request["preamble"], request["setup"], tuple(request["tests"])
        )
        if "numpy" in request["program"]:
            _import_numpy(self._packages)
        self._n_started += 1
        reading, writing = os.pipe()
        ours, workers = socket.socketpair()
        try:
            cpu_s = math.ceil(request["timeout_s"]) + _CPU_MARGIN_S
            limits = {name: request[name] for name in ("memory_bytes", "output_bytes")}
            self._zygote.start(self._n_started, limits | {"cpu_s": cpu_s}, workers.fileno())
            workers.close()
            sitting = partial(
                Sitting,
                tests=tests,
                program=request["program"],
                is_as_published=request["is_as_published"],
            )
            server_pid = os.getpid()
            pid = os.fork()
            if pid == 0:
                most_bytes = request["memory_bytes"] + _MEMORY_MARGIN_BYTES
                self._become_examiner(ours, writing, sitting, cpu_s, most_bytes, server_pid)
        finally:
            for end in (ours, workers):
                end.close()
            os.close(writing)
        try:
            return self._watched(pid, reading, request["timeout_s"])
        finally:
            os.close(reading)

    def _become_examiner(
        self,
        ours: socket.socket,
        writing: int,
        sitting: Callable[[Channel], Sitting],
        cpu_s: int,
        memory_bytes: int,
        server_pid: int,
    ) -> NoReturn:
        """Run the tests in this process, report, and end."""
        code = 1
        try:
            die_with_parent(server_pid)
            self._caller.close()
            self._zygote.control.close()
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
            one = sitting(Channel(ours))

            def end(*_: object) -> None:
                one.end()

            signal.signal(signal.SIGALRM, end)
            os.write(writing, json.dumps(one.report()).encode())
            code = 0
        finally:
            os._exit(code)

    def _watched(self, pid: int, reading: int, timeout_s: float) -> dict[str, Any]:
        """Wait for the report or the deadline, then end examiner and worker."""
        clock = Clock(pid, self._zygote_pid)
        try:
            is_late = not self._waited(reading, clock, timeout_s)
            if is_late:
                os.kill(pid, signal.SIGALRM)
                _is_readable([reading], _GRACE_S)
            wall_s = clock.wall_s()
        finally:
            report = _report(reading)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._zygote.kill(self._n_started)
        ended = self._ended()
        if ended["refused"]:
            return {"unable": f"a worker could not be shut in: {ended['refused']}"}
        outcome = _outcome(report, ended, timeout_s, is_late=is_late)
        return outcome | {"wall_s": round(wall_s, 3), "cpu_s": round(ended["cpu_s"], 3)}

    def _waited(self, reading: int, clock: Clock, timeout_s: float) -> bool:
        """Wait for the report; false once the time is over."""
        left_s = timeout_s
        while left_s > 0:
            ready = _is_readable([reading, self._caller.fileno()], left_s)
            if reading in ready:
                return True
            if ready:
                raise CallerGoneError
            wall_left_s = timeout_s * WALL_FACTOR - clock.wall_s()
            left_s = min(timeout_s - clock.counted_s(), wall_left_s)
        return False

    def _ended(self) -> dict[str, Any]:
        """What the zygote says of the worker's end."""
        while True:
            message = self._zygote.next_message(_END_PATIENCE_S)
            if message.get("ended") == self._n_started:
                return message


@lru_cache(maxsize=1024)
def _prepared(entry_point: str, preamble: str, setup: str, tests: tuple[str, ...]) -> Prepared:
    """Compiled tests, for the next program of the same problem, too."""
    return prepared(entry_point, preamble, setup, tests)


def _is_readable(descriptors: list[int], patience_s: float) -> list[int]:
    """Those that can be read or have ended, as soon as there is one."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(1000 * patience_s)]


def _report(reading: int) -> dict[str, Any] | None:
    """What the examiner wrote, where it came so far; a report is written at once."""
    if not _is_readable([reading], 0):
        return None
    content = os.read(reading, _REPORT_BYTES)
    return json.loads(content) if content else None


def _outcome(
    report: dict[str, Any] | None, ended: dict[str, Any], timeout_s: float, *, is_late: bool
) -> dict[str, Any]:
    """The report, completed by how the worker ended."""
    if report is None:
        return {"state": "timeout", "phase": "tests"} if is_late else {"unable": _NO_REPORT}
    if report["state"] == "died":
        code = ended["exit_code"]
        if code == -signal.SIGXCPU or ended["cpu_s"] >= timeout_s:
            return report | {"state": "timeout"}
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        message = f"the process ended with {how} before the tests did"
        return report | {"exception": "ProcessEnded", "message": message}
    return report


def _import_numpy(packages: list[str]) -> None:
    """Load numpy before the fork, for results that are arrays; absent where it is not installed."""
    folders = [os.path.dirname(path) for path in packages]  # noqa: PTH120
    sys.path.extend(folders)
    try:
        with contextlib.suppress(ImportError):
            importlib.import_module("numpy")
    finally:
        del sys.path[len(sys.path) - len(folders) :]


def main(_: list[str]) -> None:
    """Serve the socket on standard input until its other end is closed."""
    warnings.simplefilter("ignore")  # tests have escapes such as "\d" outside raw strings
    caller = Channel(socket.socket(fileno=0))
    try:
        settings = caller.receive()
        with Zygote(settings["zygote"], settings["environment"]) as zygote:
            import_prepared()
            warm_up()
            server = Server(caller, zygote, settings["packages"])
            gc.collect()
            gc.freeze()
            caller.send({"ready": os.getpid()})
            while True:
                caller.send(server.examine(caller.receive()))
    except (ChannelClosedError, CallerGoneError):
        return
    except ZygoteLostError as error:
        caller.send({"unable": f"the process that starts workers is lost: {error}"})
