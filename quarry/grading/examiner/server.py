"""Serves examinations, one after the other: starts worker and examiner, ends both in time.

Started through `boot` with the caller's stream socket as standard input. Frames of JSON:

    -> {"zygote": [argument, …], "environment": {…}, "packages": [folder, …], "processor": number}
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
import math
import os
import signal
import socket
import warnings
from typing import Any

from quarry.grading.examiner.clock import Clock, last_descendant
from quarry.grading.examiner.sitting_process import SittingProcess
from quarry.grading.examiner.warm_up import warm_up
from quarry.sandbox.inside.prepared_modules import import_prepared
from quarry.sandbox.inside.waiting import readable
from quarry.sandbox.inside.wire import Channel, ChannelClosedError
from quarry.sandbox.inside.zygote_client import Zygote, ZygoteLostError

WALL_FACTOR = 3
_GRACE_S = 0.3  # for the examiner to say how far it came, once its time is over
_END_PATIENCE_S = 5.0
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
        self._examiner: SittingProcess | None = None

    def examine(self, request: dict[str, Any]) -> dict[str, Any]:
        """The outcome of one examination.

        Raises:
            ZygoteLostError: there are no more workers to be had.
            CallerGoneError: nobody waits for it.
        """
        self._n_started += 1
        limits = {name: request.pop(name) for name in ("memory_bytes", "output_bytes")}
        timeout_s: float = request.pop("timeout_s")
        cpu_s = math.ceil(timeout_s) + _CPU_MARGIN_S
        examiner = self._usable_examiner(limits["memory_bytes"] + _MEMORY_MARGIN_BYTES)
        ours, workers = socket.socketpair()
        with ours, workers:
            self._zygote.start(self._n_started, limits | {"cpu_s": cpu_s}, workers.fileno())
            examiner.begin(request, ours.fileno())
        return self._watched(examiner, timeout_s)

    def close(self) -> None:
        """End the process that tests run in."""
        if self._examiner:
            self._examiner.close()
            self._examiner = None

    def _usable_examiner(self, memory_bytes: int) -> SittingProcess:
        """The process for the next sitting."""
        examiner = self._examiner
        if examiner and (not examiner.is_usable or examiner.memory_bytes != memory_bytes):
            self.close()
        if self._examiner is None:
            self._examiner = SittingProcess(memory_bytes, self._packages, self._leave)
        return self._examiner

    def _leave(self) -> None:
        """Close what belongs to this process alone, in a forked one."""
        self._caller.close()
        self._zygote.control.close()

    def _watched(self, examiner: SittingProcess, timeout_s: float) -> dict[str, Any]:
        """Wait for report or deadline, then end the worker, and an examiner that is late."""
        clock = Clock(examiner.pid, self._zygote_pid)
        try:
            is_late = not self._waited(examiner.fileno(), clock, timeout_s)
            if is_late:
                examiner.interrupt()
                readable([examiner.fileno()], _GRACE_S)
            wall_s = clock.wall_s()
            report = examiner.report()
            if is_late or report is None:
                self.close()
        finally:
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
            ready = readable([reading, self._caller.fileno()], left_s)
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


def main(_: list[str]) -> None:
    """Serve the socket on standard input until its other end is closed."""
    warnings.simplefilter("ignore")  # tests have escapes such as "\d" outside raw strings
    caller = Channel(socket.socket(fileno=0))
    try:
        settings = caller.receive()
        with contextlib.suppress(OSError):  # taken away meanwhile: any other will do
            os.sched_setaffinity(0, {settings["processor"]})
        with Zygote(settings["zygote"], settings["environment"]) as zygote:
            import_prepared()
            warm_up()
            server = Server(caller, zygote, settings["packages"])
            gc.collect()
            gc.freeze()
            caller.send({"ready": os.getpid()})
            try:
                while True:
                    caller.send(server.examine(caller.receive()))
            finally:
                server.close()
    except (ChannelClosedError, CallerGoneError):
        return
    except ZygoteLostError as error:
        caller.send({"unable": f"the process that starts workers is lost: {error}"})
