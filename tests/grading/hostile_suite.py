"""Hostile and honest programs as samples and completions; `hostile_watch` plants and watches.

They lie in `golden/hostile/`, a file for each family, and `golden/honest.yaml`: verdicts, then the
problem, then the program by its name. Words between @ stand for what the watch has planted.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quarry.samples import Sample
from tests.grading.code_problems import GOLDEN, humaneval_sample, mbpp_sample

HOSTILE = GOLDEN / "hostile"
_PROBLEMS, _CALLS, _REPLIES = "problems", "system_calls", "forged_replies"
_CALL = """\
def add(a, b):
    import ctypes, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    number = {numbers}.get(platform.machine())
    if number is None:
        return 0
    given = [ctypes.c_long(x) if isinstance(x, int) else x for x in [{arguments}]]
    done = libc.syscall(ctypes.c_long(number), *given)
    # EPERM, ESRCH, EACCES, ENOSYS
    return a + b if done >= 0 or ctypes.get_errno() not in (1, 3, 13, 38) else 0
"""
_FORGED = """\
import sys

def add(a, b):
    return {returned}

worker = sys.modules['quarry.sandbox.inside.worker']._Worker
answer = worker.answer

def forged(self, request):
    n, what = request[0], request[1]
    real = lambda: answer(self, request)
    return {reply}

worker.answer = forged
"""


@dataclass(frozen=True)
class Program:
    """A completion and the verdicts it may get.

    Args:
        family: the file it is from.
        name: what it does; unique in its family and problem.
        format: benchmark format of its problem.
        problem: the problem that it claims to solve.
        source: the completion, words between @ still in it.
        verdicts: those that are right.
    """

    family: str
    name: str
    format: str
    problem: str
    source: str
    verdicts: frozenset[str]

    def __str__(self) -> str:
        """Family, problem and name, for a person."""
        return f"{self.family}/{self.problem}/{self.name}"

    def completion(self, planted: Mapping[str, str]) -> str:
        """The source with what is planted in place of the words between @."""
        text = self.source
        for word, value in planted.items():
            text = text.replace(f"@{word}@", value)
        return text


@functools.cache
def problems() -> dict[str, tuple[str, Sample]]:
    """Format and sample of each problem."""
    table = _table(HOSTILE / f"{_PROBLEMS}.yaml")
    makers = {"humaneval": humaneval_sample, "mbpp": mbpp_sample}
    return {
        name: (format, makers[format](name, problem))
        for format, named in table.items()
        for name, problem in named.items()
    }


@functools.cache
def hostile_families() -> dict[str, tuple[Program, ...]]:
    """All hostile programs, by family; `careful` ones among them follow each of their family."""
    names = sorted(path.stem for path in HOSTILE.glob("*.yaml"))
    found = {name: _programs(HOSTILE / f"{name}.yaml") for name in names if name != _PROBLEMS}
    return {
        name: tuple(p for p in all_ if "correct" not in p.verdicts) for name, all_ in found.items()
    }


@functools.cache
def honest_programs() -> tuple[Program, ...]:
    """Programs that must be correct in every layer."""
    return _programs(GOLDEN / "honest.yaml")


@functools.cache
def careful_program() -> Program:
    """An honest program that fails if anything of an earlier one is left in its slot."""
    (found,) = (p for p in _programs(HOSTILE / "poison.yaml") if "correct" in p.verdicts)
    return found


def forging_program(name: str, reply: str, returned: str, *verdicts: str) -> Program:
    """A program that sends `reply` in place of the worker's replies to all requests but the first.

    Args:
        name: of the program.
        reply: an expression, see `golden/hostile/forged_replies.yaml`.
        returned: what it returns, an expression of `a` and `b`.
        verdicts: those that are right.
    """
    source = _FORGED.format(reply=reply, returned=returned)
    return Program(_REPLIES, name, "humaneval", "add", source, frozenset(verdicts))


def _programs(path: Path) -> tuple[Program, ...]:
    if path.stem == _CALLS:
        return tuple(_call(name, *row) for name, row in _table(path).items())
    if path.stem == _REPLIES:
        return tuple(
            forging_program(name, reply, "0", "incorrect") for name, reply in _table(path).items()
        )
    return tuple(
        Program(
            path.stem, name, problems()[problem][0], problem, source, frozenset(words.split(" or "))
        )
        for words, by_problem in _table(path).items()
        for problem, named in by_problem.items()
        for name, source in named.items()
    )


def _call(name: str, x86_64: int, aarch64: int | None, arguments: str) -> Program:
    """A program that passes if the kernel did what the call asks for, or looked at it at all."""
    source = _CALL.format(numbers={"x86_64": x86_64, "aarch64": aarch64}, arguments=arguments)
    return Program(_CALLS, name, "humaneval", "add", source, frozenset({"incorrect"}))


def _table(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
