"""Raw system calls that no program may make, each tried for real in the layers that confine."""

from __future__ import annotations

import platform

import pytest

from tests.sandbox.boxes import Box

WITH_LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
"""

IPC_CREATE = 0o1600
SYSTEM_CALLS = {
    # x86_64 number, arguments as Python
    "fork": (57, ""),
    "vfork": (58, ""),
    "clone3": (435, "0, 0"),
    "openat2": (437, "0, 0, 0, 0"),
    "execveat": (322, "0, 0, 0, 0, 0"),
    "ptrace": (101, "0, 0, 0, 0"),
    "process_vm_readv": (310, "os.getppid(), 0, 0, 0, 0, 0"),
    "process_vm_writev": (311, "os.getppid(), 0, 0, 0, 0, 0"),
    "mount": (165, "0, 0, 0, 0, 0"),
    "umount2": (166, "b'/tmp', 2"),
    "pivot_root": (155, "b'.', b'.'"),
    "unshare user": (272, "0x10000000"),
    "unshare mounts": (272, "0x20000"),
    "setns": (308, "0, 0"),
    "bpf": (321, "0, 0, 0"),
    "perf_event_open": (298, "0, 0, 0, 0, 0"),
    "userfaultfd": (323, "0"),
    "io_uring_setup": (425, "1, 0"),
    "io_setup": (206, "1, 0"),
    "keyctl": (250, "0, 0"),
    "add_key": (248, "0, 0, 0, 0, 0"),
    "shmget": (29, f"0, 4096, {IPC_CREATE}"),
    "semget": (64, f"0, 1, {IPC_CREATE}"),
    "msgget": (68, f"0, {IPC_CREATE}"),
    "mq_open": (240, "b'quarry', 0o102, 0o600, 0"),
    "pidfd_open": (434, "os.getpid(), 0"),
    "pidfd_send_signal": (424, "0, 0, 0, 0"),
    "rt_sigqueueinfo": (129, "os.getppid(), 0, 0"),
    "tkill": (200, "os.getppid(), 0"),
    "seccomp": (317, "0, 0, 0"),
    "personality": (135, "0"),
    "capset": (126, "0, 0"),
    "setgroups": (116, "0, 0"),
    "fchmodat2": (452, "-100, b'own', 0o777, 0"),
    "sync": (162, ""),
    "settimeofday": (164, "0, 0"),
    "sethostname": (170, "b'x', 1"),
    "reboot": (169, "0, 0, 0, 0"),
    "kexec_load": (246, "0, 0, 0, 0"),
    "init_module": (175, "0, 0, 0"),
    "swapon": (167, "0, 0"),
    "open_by_handle_at": (304, "0, 0, 0"),
    "name_to_handle_at": (303, "0, 0, 0, 0, 0"),
    "fanotify_init": (300, "0, 0"),
    "memfd_secret": (447, "0"),
    "sendmsg": (46, "3, 0, 0"),
    "recvmsg": (47, "3, 0, 0"),
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are x86_64's")
@pytest.mark.parametrize("name", SYSTEM_CALLS)
def test_a_raw_system_call_is_refused(confined_box: Box, name: str):
    number, arguments = SYSTEM_CALLS[name]
    words = ", ".join([str(number), *[arguments] * bool(arguments)])
    program = (
        f"{WITH_LIBC}\n"
        + f"""
try:
    call({words})
except OSError as error:
    report = error.errno
else:
    report = "went through"
"""
    )
    assert confined_box.run(program) in (1, 38)  # EPERM, or ENOSYS as an older kernel


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 exists beside x86_64 only")
def test_an_x32_call_ends_the_program(confined_box: Box):
    answer, ended = confined_box.answer(f"{WITH_LIBC}\ncall(0x40000000 | 39)")
    assert answer is None
    assert ended["exit_code"] == -31  # SIGSYS
