"""The filter's numbers against the kernel's headers, and its answers by running it."""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path

import pytest

from quarry.sandbox.inside import seccomp
from quarry.sandbox.inside.allowed_calls import ALLOWED, CONDITIONAL, PRETENDED, UNKNOWN_HERE
from quarry.sandbox.inside.system_calls import (
    AUDIT_ARCHITECTURES,
    NEWEST_KNOWN,
    UnknownProcessorError,
    numbers_of,
)

PID = 4321
MACHINES = list(AUDIT_ARCHITECTURES)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def header_numbers(machine: str) -> dict[str, int]:
    if not HEADERS[machine].is_file():
        pytest.skip(f"no kernel headers: {HEADERS[machine]}")
    text = HEADERS[machine].read_text()
    found = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}
    wide = dict(re.findall(r"#define (__NR3264_\w+) (\d+)", text))
    for name, other in re.findall(r"#define __NR_(\w+) (__NR3264_\w+)", text):
        if other in wide:
            found[name] = int(wide[other])
    return found


@functools.cache
def filter_of(machine: str) -> list[tuple[int, int, int, int]]:
    return seccomp.assembled(machine).instructions(PID)


def answer(
    machine: str, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None
) -> int:
    """Run the filter as the kernel does."""
    words = [number, AUDIT_ARCHITECTURES[machine] if architecture is None else architecture, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    instructions = filter_of(machine)
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words[value // 4]
            case 0x54:
                accumulator &= value
            case 0x05:
                at += value
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_is_the_one_of_the_kernels_header(machine: str):
    header = header_numbers(machine)
    ours = numbers_of(machine)
    assert {name: header.get(name) for name in ours} == ours


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_that_a_processor_lacks_is_not_in_its_header(machine: str):
    header = header_numbers(machine)
    named = ALLOWED | set(CONDITIONAL) | PRETENDED | UNKNOWN_HERE
    assert sorted(name for name in named - set(numbers_of(machine)) if name in header) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_each_number_is_answered_as_the_policy_says(machine: str):
    names = {number: name for name, number in numbers_of(machine).items()}
    for number in range(NEWEST_KNOWN + 50):
        name = names.get(number, "")
        if name in CONDITIONAL:
            continue
        expected = seccomp.REFUSE
        if name in ALLOWED:
            expected = seccomp.ALLOW
        elif name in PRETENDED:
            expected = seccomp.PRETEND
        elif name in UNKNOWN_HERE or number > NEWEST_KNOWN:
            expected = seccomp.NOT_THERE
        assert answer(machine, number) == expected, (number, name)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_processors_numbers_end_the_process(machine: str):
    own = AUDIT_ARCHITECTURES[machine]
    for architecture in {*AUDIT_ARCHITECTURES.values(), 0x40000003} - {own}:
        assert answer(machine, 1, architecture=architecture) == seccomp.KILL


def test_x32_numbers_end_the_process():
    assert answer("x86_64", 0x40000000 | 39) == seccomp.KILL


CASES = [
    ("clone", (0x3D0F00,), True),  # what glibc gives for a thread
    ("clone", (0x1200011,), False),  # for a process
    ("clone", (0x3D0F00 | 0x10000000,), False),  # thread and user namespace
    ("kill", (PID, 9), True),
    ("kill", (0, 9), False),
    ("kill", (0xFFFFFFFF, 9), False),
    ("kill", (1, 9), False),
    ("tgkill", (PID, PID + 1, 10), True),
    ("tgkill", (1, 1, 10), False),
    ("prlimit64", (0, 7), True),
    ("prlimit64", (PID, 7), True),
    ("prlimit64", (PID + 1, 7), False),
    ("sched_setaffinity", (PID - 1,), False),
    ("setpriority", (0, 0, 5), True),
    ("setpriority", (0, PID, 5), True),
    ("setpriority", (0, 1, 5), False),
    ("setpriority", (2, 0, 5), False),  # all of a user's
    ("socketpair", (1, 1 | 0x80000 | 0x800, 0), True),
    ("socketpair", (1, 2, 0), False),
    ("socketpair", (2, 1, 0), False),
    ("sendto", (3, 0x7F0000000000, 5, 0, 0, 0), True),
    ("sendto", (3, 0x7F0000000000, 5, 0, 0x7F0000000000, 16), False),
    ("sendto", (3, 0x7F0000000000, 5, 0, 0x10, 16), False),
    ("fcntl", (3, 1), True),
    ("fcntl", (3, 1030), True),
    ("fcntl", (3, 8), False),  # F_SETOWN
    ("fcntl", (3, 1031), False),  # F_SETPIPE_SZ
    ("ioctl", (3, 0x5421), True),
    ("ioctl", (3, 0x5412), False),  # TIOCSTI
    ("openat", (0xFFFFFF9C, 1, 0x80000), True),  # to read
    ("openat", (0xFFFFFF9C, 1, 0x80241), True),  # to write anew
    ("openat", (0xFFFFFF9C, 1, 0x200), False),  # truncated while it is read
    ("openat", (0xFFFFFF9C, 1, 0x3), False),
    ("prctl", (15,), True),
    ("prctl", (1,), False),  # PR_SET_PDEATHSIG
    ("prctl", (4,), False),  # PR_SET_DUMPABLE
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "is_allowed"), CASES)
def test_conditions_look_at_the_arguments(
    machine: str, name: str, arguments: tuple[int, ...], is_allowed: bool
):
    expected = seccomp.ALLOW if is_allowed else seccomp.REFUSE
    assert answer(machine, numbers_of(machine)[name], arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_no_argument_lets_a_process_be_cloned(machine: str):
    source = random.Random(5)
    number = numbers_of(machine)["clone"]
    for _ in range(300):
        flags = source.getrandbits(64)
        is_thread = bool(flags & 0x10000) and not flags & 0x7E020000
        assert (answer(machine, number, (flags,)) == seccomp.ALLOW) == is_thread


def test_a_processor_without_a_table_is_an_error_of_its_own():
    with pytest.raises(UnknownProcessorError, match="riscv64"):
        seccomp.assembled("riscv64")
