"""Landlock: which files, ports, signals and sockets a process can reach, without any privilege.

Only for the calling process and for good. Source: Linux, Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from quarry.sandbox.inside import kernel_calls
from quarry.sandbox.inside.system_calls import machine, numbers_of

_ASK_VERSION = 1
_RULE_BELOW_PATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIRECTORY = 1 << 4
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_RIGHTS_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_MAKE_CHARACTER_DEVICE, _MAKE_BLOCK_DEVICE = 1 << 6, 1 << 11
_NEVER = _MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE | _EXECUTE | _IOCTL_DEVICE
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
_TCP_RIGHTS, _FIRST_ABI_WITH_TCP = 0b11, 4
_SCOPES, _FIRST_ABI_WITH_SCOPES = 0b11, 6  # abstract sockets, signals

_READ = _READ_FILE | _READ_DIRECTORY
_OPEN_PATH = os.O_PATH | os.O_CLOEXEC


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _BelowPath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("fd", ctypes.c_int32))


def abi() -> int:
    """Which version of Landlock the kernel offers.

    Raises:
        OSError: none, or it is switched off.
    """
    create = numbers_of(machine())["landlock_create_ruleset"]
    return kernel_calls.syscall(create, 0, 0, _ASK_VERSION)


def restrict(
    readable: Iterable[str],
    writable: Iterable[str],
    devices: Iterable[str] = (),
    emptied: Iterable[str] = (),
) -> None:
    """Leave this process only these files; needs no_new_privs.

    Args:
        readable: files and directories that may be read. Those that do not exist are left out.
        writable: directories below which anything but a device may be made, changed and removed.
        devices: files that may be read and written.
        emptied: directories below which empty directories may be removed.

    Raises:
        OSError: the kernel refused.
    """
    numbers, version = numbers_of(machine()), abi()
    handled = sum(rights for since, rights in _RIGHTS_BY_ABI.items() if since <= version)
    has_tcp, has_scopes = version >= _FIRST_ABI_WITH_TCP, version >= _FIRST_ABI_WITH_SCOPES
    ruleset = _Ruleset(handled, has_tcp * _TCP_RIGHTS, has_scopes * _SCOPES)
    # an older kernel knows fewer of the structure's words
    size = ctypes.sizeof(ctypes.c_uint64) * (1 + has_tcp + has_scopes)
    create = numbers["landlock_create_ruleset"]
    fd = kernel_calls.syscall(create, ctypes.byref(ruleset), size, 0)
    try:
        for paths, rights in (
            (readable, _READ),
            (writable, handled & ~_NEVER),
            (devices, _READ_FILE | _WRITE_FILE),
            (emptied, _REMOVE_DIRECTORY),
        ):
            for path in paths:
                _allow(numbers["landlock_add_rule"], fd, path, rights)
        kernel_calls.syscall(numbers["landlock_restrict_self"], fd, 0)
    finally:
        os.close(fd)


def _allow(add_rule: int, ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, _OPEN_PATH)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _RIGHTS_OF_FILES
        rule = _BelowPath(rights, fd)
        kernel_calls.syscall(add_rule, ruleset, _RULE_BELOW_PATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)
