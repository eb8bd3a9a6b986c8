"""System calls that the standard library has no function for; no policy.

Numbers that differ between processors come from `system_calls`.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8

_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _SystemInfo(ctypes.Structure):
    _fields_ = (
        ("uptime_and_loads", ctypes.c_ulong * 4),
        ("memory", ctypes.c_ulong * 6),
        ("n_tasks", ctypes.c_uint16),
        ("rest", ctypes.c_char * 64),
    )


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_THIS_PROCESS = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (_CapabilityData * 2)()


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: Any) -> None:
    """Set one property of this process.

    Raises:
        OSError: the kernel refused.
    """
    no = ctypes.c_ulong(0)
    value = ctypes.c_ulong(value) if isinstance(value, int) else value
    _checked(_libc.prctl(option, value, no, no, no), f"prctl {option}")


def install_filter(program: Any) -> None:
    """Put a seccomp filter over this thread for good; needs no_new_privs.

    Raises:
        OSError: the kernel refused.
    """
    mode_filter, no = ctypes.c_ulong(2), ctypes.c_ulong(0)
    result = _libc.prctl(PR_SET_SECCOMP, mode_filter, ctypes.byref(program), no, no)
    _checked(result, "seccomp filter")


def syscall(number: int, *arguments: Any) -> int:
    """Any system call by its number.

    Raises:
        OSError: the kernel refused.
    """
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words), f"system call {number}")


def unshare_mounts() -> None:
    """Give this process a mount namespace of its own.

    Raises:
        OSError: the kernel refused.
    """
    _checked(_libc.unshare(CLONE_NEWNS), "unshare")


def mount_tmpfs(directory: str, options: str) -> None:
    """Mount an empty file system in memory.

    Raises:
        OSError: the kernel refused.
    """
    flags = ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC)
    name = b"tmpfs"
    result = _libc.mount(name, os.fsencode(directory), name, flags, options.encode())
    _checked(result, f"mount {directory}")


def n_tasks() -> int:
    """How many threads run on the whole machine, whoever's they are.

    Raises:
        OSError: the kernel refused.
    """
    information = _SystemInfo()
    _checked(_libc.sysinfo(ctypes.byref(information)), "sysinfo")
    return information.n_tasks


def die_with_parent(parent: int) -> None:
    """Have this process killed when the thread that forked it ends.

    Changes of credentials undo it, so it comes after them.

    Raises:
        OSError: the kernel refused, or the parent has ended already.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL.value)
    if os.getppid() != parent:
        raise ProcessLookupError(f"parent {parent} has ended")


def drop_capabilities() -> None:
    """Give up every privilege that is not the user's; a no-op where there is none.

    Raises:
        OSError: the kernel refused.
    """
    header, none = ctypes.byref(_THIS_PROCESS), ctypes.byref(_NO_CAPABILITIES)
    _checked(_libc.capset(header, none), "capset")
