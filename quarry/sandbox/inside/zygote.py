"""The prepared process that forks one worker for each program; what confines it lives elsewhere.

Started through `boot` with its control socket (AF_UNIX, SOCK_SEQPACKET) as standard input. JSON
messages, one file descriptor beside `start`:

    <- {"ready": pid}
    -> {"start": n, "cpu_s": s, "memory_bytes": b, "output_bytes": b} + channel
    <- {"started": n, "pid": p}
    -> {"kill": n}
    <- {"ended": n, "exit_code": c, "cpu_s": s, "max_rss_bytes": b, "refused": null or why}

`start` may add `paths`, more directories for `sys.path`; numpy is found without, where the machine
has it. `ended` comes when the worker is reaped and its directory is gone. `refused` says why a
worker could not be shut in; such a worker has run nothing. The end of the control socket ends both.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from quarry.sandbox.inside.confinement import Confinement, confinement_of
from quarry.sandbox.inside.prepared_modules import import_prepared
from quarry.sandbox.inside.waiting import readable

_MESSAGE_BYTES = 65536
_CHANNEL = 3
_REFUSAL = 4
_NULL = 5
_MOST_DESCRIPTORS = 1 << 10  # a kernel without close_range has each of them closed by itself
_REFUSED_CODE = 113
_REFUSAL_BYTES = 2000
_SEED = 0  # the same for each program, so that its label repeats


@dataclass
class _Worker:
    number: int
    pid: int
    pidfd: int
    refusal: int


class Zygote:
    """Serves one control socket; one worker at a time."""

    def __init__(self, control: socket.socket, confinement: Confinement, serve_module: str) -> None:
        """Import what programs use, before the first fork."""
        self._control = control
        self._confinement = confinement
        self._worker: _Worker | None = None
        import_prepared()
        worker: Any = importlib.import_module(serve_module)
        self._serve: Any = worker.serve
        getattr(worker, "warm_up", lambda: None)()
        gc.collect()
        gc.freeze()

    def run(self) -> None:
        """Answer until the control socket ends, then leave nothing behind."""
        self._send({"ready": os.getpid()})
        try:
            while self._wait():
                pass
        finally:
            if self._worker:
                self._kill(self._worker.number)
                self._reap()
            self._confinement.close()

    def _wait(self) -> bool:
        """Handle what comes next; false once nobody is left to work for."""
        watched = [self._control.fileno(), *([self._worker.pidfd] if self._worker else [])]
        period_s = self._confinement.watch_period_s if self._worker else None
        ready = readable(watched, period_s)
        if self._worker and self._worker.pidfd in ready:
            self._reap()
        elif self._control.fileno() in ready:
            return self._handle()
        elif self._worker and self._confinement.is_over_quota():
            self._kill(self._worker.number)
        return True

    def _handle(self) -> bool:
        raw, fds, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1)
        if not raw:
            return False
        message: dict[str, Any] = json.loads(raw)
        if "start" in message:
            self._start(message, fds[0])
        elif "kill" in message:
            self._kill(message["kill"])
        return True

    def _start(self, message: dict[str, Any], channel: int) -> None:
        if self._worker:
            raise RuntimeError("one worker at a time")
        refusal, refusal_end = os.pipe()
        self._confinement.prepare()
        zygote_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_worker(message, channel, refusal_end, zygote_pid)
        os.close(channel)
        os.close(refusal_end)
        self._worker = _Worker(message["start"], pid, os.pidfd_open(pid), refusal)
        self._send({"started": message["start"], "pid": pid})

    def _become_worker(
        self, message: dict[str, Any], channel: int, refusal: int, zygote_pid: int
    ) -> None:
        """Shut this process in and serve; never returns to the zygote's loop."""
        code = _REFUSED_CODE
        try:
            try:
                _arrange_descriptors(self._control, channel, refusal)
                refusal = _REFUSAL
                self._confinement.confine(message, zygote_pid)
                random.seed(_SEED)
                sys.path.extend(message.get("paths", ()))
            except BaseException as error:  # noqa: BLE001  a worker that is not shut in must not run
                os.write(refusal, repr(error).encode()[:_REFUSAL_BYTES])
                return
            os.close(refusal)
            code = 1
            self._serve(socket.socket(fileno=_CHANNEL))
            code = 0
        finally:
            os._exit(code)

    def _kill(self, number: int) -> None:
        """Kill worker `number`; a late request finds another one or none, and does nothing."""
        if self._worker and self._worker.number == number:
            os.kill(self._worker.pid, signal.SIGKILL)

    def _reap(self) -> None:
        worker, self._worker = self._worker, None
        assert worker
        _, status, usage = os.wait4(worker.pid, 0)
        os.close(worker.pidfd)
        code = os.waitstatus_to_exitcode(status)
        refused = os.read(worker.refusal, _REFUSAL_BYTES) if code == _REFUSED_CODE else b""
        os.close(worker.refusal)
        self._confinement.clear()
        ended = {
            "ended": worker.number,
            "exit_code": code,
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 4),
            "max_rss_bytes": usage.ru_maxrss * 1024,
            "refused": refused.decode(errors="replace") or None,
        }
        with contextlib.suppress(BrokenPipeError):
            self._send(ended)

    def _send(self, message: dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())


def _reserve_descriptors() -> None:
    """Take the numbers that workers give to their descriptors, so that no other ever has them."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in {*range(_CHANNEL, _NULL + 1)} - {null}:
        os.dup2(null, fd, inheritable=False)
    if null > _NULL:
        os.close(null)


def _arrange_descriptors(control: socket.socket, channel: int, refusal: int) -> None:
    """0 to 2 nothing, 3 the channel, 4 the way to say why confining failed, all others closed."""
    control.detach()
    for fd in range(_CHANNEL):
        os.dup2(_NULL, fd)
    os.dup2(channel, _CHANNEL, inheritable=False)
    os.dup2(refusal, _REFUSAL, inheritable=False)
    os.closerange(_NULL, _MOST_DESCRIPTORS)


def main(arguments: list[str]) -> None:
    """Serve the control socket on standard input; the argument is the settings as JSON."""
    settings: dict[str, Any] = json.loads(arguments[0])
    given = [most for most in resource.getrlimit(resource.RLIMIT_NOFILE) if most >= 0]
    most = min(_MOST_DESCRIPTORS, *given)  # a negative one is no limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _reserve_descriptors()
    control = socket.socket(fileno=0)
    Zygote(control, confinement_of(settings), settings["serve"]).run()
