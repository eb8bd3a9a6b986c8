"""Follows a child from one system call to the next, and kills it right before the k-th that writes.

By ptrace, so that the writes inside of HDF5 and those of every thread count, too, which hooks in
Python would not see. A child that is killed at the entry of a call has not done it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from collections.abc import Callable
from typing import NoReturn

_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_SYSGOOD, _TRACECLONE, _EXITKILL = 0x1, 0x8, 0x100000
_WAIT_FOR_THREADS = 0x40000000
_ENTRY = 1
_INFO_NUMBERS = 16

WRITING = {
    "x86_64": {
        1: "write", 18: "pwrite64", 20: "writev", 74: "fsync", 75: "fdatasync", 77: "ftruncate",
        82: "rename", 83: "mkdir", 87: "unlink", 257: "openat", 258: "mkdirat", 263: "unlinkat",
        264: "renameat", 296: "pwritev", 316: "renameat2",
    },
    "aarch64": {
        34: "mkdirat", 35: "unlinkat", 38: "renameat", 46: "ftruncate", 56: "openat", 64: "write",
        66: "writev", 68: "pwrite64", 70: "pwritev", 82: "fsync", 83: "fdatasync",
        276: "renameat2",
    },
}  # fmt: skip
"""Calls that change what is on the disk, by machine; of `openat` only those that may create."""


class NotTraceableError(Exception):
    """This machine does not let a child be traced."""


def run_traced(work: Callable[[], object], kill_at: int | None = None) -> tuple[list[str], int]:
    """Run something in a forked child.

    Args:
        work: what to do; an exception makes the child end with status 7.
        kill_at: 0 for a kill before the first writing call, 1 before the second, ...

    Returns:
        Names of the writing calls that were begun, and how the child ended, as `os.waitpid` says.

    Raises:
        NotTraceableError: the system forbids it.
    """
    names = WRITING.get(platform.machine())
    if names is None:
        raise NotTraceableError(f"no table of system calls for {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long
    child = os.fork()
    if child == 0:
        _become(work, libc)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise NotTraceableError("the child was not allowed to be traced")
    libc.ptrace(_SETOPTIONS, child, 0, _SYSGOOD | _TRACECLONE | _EXITKILL)
    libc.ptrace(_SYSCALL, child, 0, 0)
    return _follow(libc, child, names, kill_at)


def _become(work: Callable[[], object], libc: ctypes.CDLL) -> NoReturn:
    """The child's life, in a process group of its own, which is waited for as a whole."""
    try:
        os.setpgid(0, 0)
        if libc.ptrace(_TRACEME, 0, 0, 0) == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
            os._exit(0)
    finally:
        os._exit(7)


def _follow(
    libc: ctypes.CDLL, child: int, names: dict[int, str], kill_at: int | None
) -> tuple[list[str], int]:
    """From stop to stop until the child has ended."""
    seen: list[str] = []
    numbers = (ctypes.c_uint64 * _INFO_NUMBERS)()
    while True:
        thread, status = os.waitpid(-child, _WAIT_FOR_THREADS)
        if not os.WIFSTOPPED(status):
            if thread == child:
                return seen, status
            continue
        stopped_by = status >> 8
        passed_on = 0
        if stopped_by == signal.SIGTRAP | 0x80:
            name = _entered(libc, thread, numbers, names)
            if name is not None:
                if len(seen) == kill_at:
                    os.kill(child, signal.SIGKILL)
                seen.append(name)
        elif stopped_by & 0xFF not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = stopped_by
        libc.ptrace(_SYSCALL, thread, 0, passed_on)


def _entered(
    libc: ctypes.CDLL, thread: int, numbers: ctypes.Array[ctypes.c_uint64], names: dict[int, str]
) -> str | None:
    """Name of the writing call that a thread is about to make, if it is one."""
    size, place = ctypes.sizeof(numbers), ctypes.addressof(numbers)
    if libc.ptrace(_GET_SYSCALL_INFO, thread, size, place) <= 0 or numbers[0] & 0xFF != _ENTRY:
        return None
    name = names.get(numbers[3])
    if name == "openat" and not numbers[6] & os.O_CREAT:
        return None
    return name
