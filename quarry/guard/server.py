"""The process that `guarded` keeps warm: it has imported h5py once and forks a worker per request.

    caller ── control ──▶ server ──fork──▶ minder ──fork──▶ worker: `module.examine(request, tell)`
       ▲                                     │ status: begun, exit code     │ channel: JSON lines
       └─────────────────────────────────────┴──────────────────────────────┘

Run as `python -m quarry.guard.server`, never imported by the caller, whose side is in
`client`. The server never waits for a worker, so requests run side by side. The minder does:
it kills its worker when the caller hangs up, which a caller that is killed also does. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
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
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

_PRELOADED = ("quarry.trajectory.verify_child",)
_READY = b"1"
_N_DESCRIPTORS = 4
_MOST_MEMORY_BYTES = 16 << 30
_GRACE_S = 5
_LONGEST_S = 1e8
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """`serve FD` until that socket closes, or run one request: `once MODULE DEADLINE_S`."""
    if sys.argv[1] == "serve":
        _serve(socket.socket(fileno=int(sys.argv[2])))
    else:
        _serve_once(sys.argv[2], float(sys.argv[3]))


def _serve(control: socket.socket) -> None:
    """Fork a minder for each request; one byte of `control` with four descriptors is a request."""
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a collection in a worker would copy the pages that it shares with the server
    os.chdir("/")  # keep no folder of the caller busy
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a thread of the caller may have blocked some
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the minders
    control.sendall(_READY)
    while True:
        token, descriptors, _, _ = socket.recv_fds(
            control, 1, _N_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not token:
            return
        with contextlib.suppress(OSError):  # no more processes: the caller sees the status close
            if len(descriptors) == _N_DESCRIPTORS and os.fork() == 0:
                control.close()
                _become(_mind, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _serve_once(module: str, deadline_s: float) -> None:
    """Read one request from the standard input and tell on the standard output."""
    _limit(deadline_s)
    with os.fdopen(os.dup(1), "wb", buffering=0) as output:
        os.dup2(2, 1)  # what a library prints is no message
        importlib.import_module(module).examine(json.load(sys.stdin), _tell_by(output.write))


def _become(role: Callable[..., None], *arguments: Any) -> NoReturn:
    """Run a role in a fresh fork and end there, never returning into the frames of the parent."""
    code = 1
    try:
        role(*arguments)
        code = 0
    except BaseException:  # noqa: BLE001  as the interpreter does with what nobody caught
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _mind(status_fd: int, channel_fd: int, errors_fd: int, folder_fd: int) -> None:
    """Fork the worker, wait for its end or for the caller to hang up, and tell how it ended."""
    status = socket.socket(fileno=status_fd)
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(wake.fileno())
    worker = os.fork()
    if worker == 0:
        signal.set_wakeup_fd(-1)
        for one in (status, woken, wake):
            one.close()
        _become(_work, channel_fd, errors_fd, folder_fd)
    for descriptor in (channel_fd, errors_fd, folder_fd):
        os.close(descriptor)
    with contextlib.suppress(OSError):  # the caller may be gone, which `_wait` notices
        status.sendall(b"begun\n")
    _wait(worker, status, woken)
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)  # as a zombie it keeps its group's number
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)  # what it started and left behind
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with contextlib.suppress(OSError):
        status.sendall(f"{code}\n".encode())


def _wake(number: int, frame: FrameType | None) -> None:
    """Nothing; but a signal without a handler writes no byte to the wakeup socket."""


def _wait(worker: int, status: socket.socket, woken: socket.socket) -> None:
    """Until the worker has ended, or the caller hangs up or asks: then kill it."""
    has_ended = os.WEXITED | os.WNOWAIT | os.WNOHANG
    while os.waitid(os.P_PID, worker, has_ended) is None:  # a stopped worker wakes, too
        if status in select.select([status, woken], [], [])[0]:
            os.kill(worker, signal.SIGKILL)
            return
        woken.recv(64)


def _work(channel_fd: int, errors_fd: int, folder_fd: int) -> None:
    """Read the request from the channel to its end and run the module that it names."""
    _stand_alone()
    for standard in (1, 2):
        os.dup2(errors_fd, standard)
    os.fchdir(folder_fd)
    for descriptor in (errors_fd, folder_fd):
        os.close(descriptor)
    channel = socket.socket(fileno=channel_fd)
    with channel.makefile("rb") as stream:
        module, deadline_s, request = json.load(stream)
    _limit(deadline_s)
    importlib.import_module(module).examine(request, _tell_by(channel.sendall))


def _stand_alone() -> None:
    """Own session, to be killed with all that it starts; signals as in a new process."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a minder may be killed, too
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)


def _limit(deadline_s: float) -> None:
    """Bound core dumps, memory, CPU time and time.

    The caller kills a worker that takes too long, but a caller may be killed itself; then a file on
    which HDF5 loops for ever would keep a core busy for ever.
    """
    longest_s = math.ceil(min(deadline_s, _LONGEST_S)) + _GRACE_S
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: _MOST_MEMORY_BYTES,
        resource.RLIMIT_CPU: longest_s,
    }
    for name, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # lower already, or unknown to the system
            resource.setrlimit(name, (limit, limit))
    signal.alarm(longest_s)


def _tell_by(write: Callable[[bytes], object]) -> Callable[[dict[str, Any]], None]:
    """A `tell` that writes one JSON line at once."""

    def tell(message: dict[str, Any]) -> None:
        write(json.dumps(message).encode() + b"\n")

    return tell


if __name__ == "__main__":
    main()
