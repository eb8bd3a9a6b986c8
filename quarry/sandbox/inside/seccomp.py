"""Turns the policy of `allowed_calls` into a seccomp filter and puts it over this process.

A classic BPF program: processor and number are checked first, then a binary search over the sorted
numbers leads to an answer or to the conditions on the call's arguments. The program is assembled
once, in the zygote; only the worker's own process id is filled in after the fork.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quarry.sandbox.inside import kernel_calls
from quarry.sandbox.inside.allowed_calls import (
    ALLOWED,
    CONDITIONAL,
    OWN_PID,
    PRETENDED,
    UNKNOWN_HERE,
    Argument,
    Condition,
)
from quarry.sandbox.inside.system_calls import AUDIT_ARCHITECTURES, NEWEST_KNOWN, numbers_of

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP = 0x05  # BPF_JMP | BPF_JA
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_NOT_BELOW = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_EPERM, _ENOSYS = 1, 38
ALLOW = 0x7FFF0000
KILL = 0x80000000
REFUSE = 0x00050000 | _EPERM
PRETEND = 0x00050000
NOT_THERE = 0x00050000 | _ENOSYS

_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16  # of struct seccomp_data
_FOREIGN_NUMBERS_X86_64 = 0x40000000  # x32: other calls under the same processor's name


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


Answer = int | tuple[Condition, ...]
"""A filter's return value, or the conditions under which a call is allowed."""


@dataclass
class _Draft:
    """A filter that is being assembled.

    Args:
        instructions: (code, jump if true, jump if false, value) each.
        own_pid_at: which instructions compare with the worker's process id.
    """

    instructions: list[tuple[int, int, int, int]] = field(
        default_factory=list[tuple[int, int, int, int]]
    )
    own_pid_at: list[int] = field(default_factory=list[int])


class Filter:
    """An assembled filter, in which only the process id is missing."""

    def __init__(self, draft: _Draft) -> None:
        """Lay the instructions out as the kernel wants them."""
        self._own_pid_at = draft.own_pid_at
        self._array = (_Instruction * len(draft.instructions))(*draft.instructions)
        self._program = _Program(len(self._array), self._array)

    def instructions(self, pid: int) -> list[tuple[int, int, int, int]]:
        """What `install` hands to the kernel: (code, jump if true, jump if false, value) each."""
        self._fill_in(pid)
        return [(one.code, one.if_true, one.if_false, one.value) for one in self._array]

    def install(self, pid: int) -> None:
        """Put it over this process for good; no_new_privs has to be set.

        Args:
            pid: this process's id, the only one that signals may go to.

        Raises:
            OSError: the kernel refused.
        """
        self._fill_in(pid)
        kernel_calls.install_filter(self._program)

    def _fill_in(self, pid: int) -> None:
        for index in self._own_pid_at:
            self._array[index].value = pid


def assembled(machine: str) -> Filter:
    """The filter for a processor.

    Raises:
        UnknownProcessorError: its numbers are not known.
    """
    answers = _answers(numbers_of(machine))
    made = _Draft()
    add = made.instructions.append
    add((_LOAD, 0, 0, _ARCHITECTURE_OFFSET))
    add((_JUMP_IF_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]))
    add((_RETURN, 0, 0, KILL))
    add((_LOAD, 0, 0, _NUMBER_OFFSET))
    if machine == "x86_64":
        add((_JUMP_IF_NOT_BELOW, 0, 1, _FOREIGN_NUMBERS_X86_64))
        add((_RETURN, 0, 0, KILL))
    _search(made, _segments(answers))
    return Filter(made)


def _answers(numbers: Mapping[str, int]) -> dict[int, Answer]:
    """What to say to each call that is named in the policy."""
    answers: dict[int, Answer] = {}
    for name, number in numbers.items():
        if name in ALLOWED:
            answers[number] = ALLOW
        elif name in CONDITIONAL:
            answers[number] = CONDITIONAL[name]
        elif name in PRETENDED:
            answers[number] = PRETEND
        elif name in UNKNOWN_HERE:
            answers[number] = NOT_THERE
    return answers


def _segments(answers: Mapping[int, Answer]) -> list[tuple[int, Answer]]:
    """Runs of numbers with the same answer as (first number, answer), from 0 without a gap."""
    segments: list[tuple[int, Answer]] = []
    for number in range(NEWEST_KNOWN + 1):
        answer = answers.get(number, REFUSE)
        if not segments or segments[-1][1] != answer:
            segments.append((number, answer))
    return [*segments, (NEWEST_KNOWN + 1, NOT_THERE)]


def _search(made: _Draft, segments: Sequence[tuple[int, Answer]]) -> None:
    """Binary search for the segment of the number that is loaded."""
    if len(segments) == 1:
        _answer(made, segments[0][1])
        return
    middle = len(segments) // 2
    made.instructions.append((_JUMP_IF_NOT_BELOW, 0, 1, segments[middle][0]))
    to_upper = len(made.instructions)
    made.instructions.append((_JUMP, 0, 0, 0))
    _search(made, segments[:middle])
    # a plain jump has 32 bits for its distance, a conditional one only 8
    made.instructions[to_upper] = (_JUMP, 0, 0, len(made.instructions) - to_upper - 1)
    _search(made, segments[middle:])


def _answer(made: _Draft, answer: Answer) -> None:
    if isinstance(answer, int):
        made.instructions.append((_RETURN, 0, 0, answer))
        return
    for condition in answer:
        _check(made, condition)
    made.instructions.append((_RETURN, 0, 0, ALLOW))


def _check(made: _Draft, condition: Condition) -> None:
    """Go on behind these instructions where the condition holds, refuse where it does not."""
    at = _ARGUMENTS_OFFSET + 8 * condition.index  # little-endian: the low half comes first
    if isinstance(condition, Argument):
        _check_word(made, at, condition.mask, condition.values)
    else:
        _check_word(made, at, 0xFFFFFFFF, (0,))
        _check_word(made, at + 4, 0xFFFFFFFF, (0,))


def _check_word(made: _Draft, at: int, mask: int, values: tuple[int, ...]) -> None:
    made.instructions.append((_LOAD, 0, 0, at))
    if mask != 0xFFFFFFFF:
        made.instructions.append((_AND, 0, 0, mask))
    for index, value in enumerate(values):
        if value == OWN_PID:
            made.own_pid_at.append(len(made.instructions))
        # over the comparisons that follow and the refusal
        made.instructions.append((_JUMP_IF_EQUAL, len(values) - index, 0, max(value, 0)))
    made.instructions.append((_RETURN, 0, 0, REFUSE))
