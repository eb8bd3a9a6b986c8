"""One program in a process of its own: limits, reports, and what is not the program's fault."""

from __future__ import annotations

import os
import sys

import pytest

from quarry.errors import GradingError, UsageError
from quarry.grading.process import run_program
from quarry.sandbox.limits import Limits

QUICK = Limits(timeout_s=1.0)


def test_a_passing_program_is_reported_passed_with_its_time() -> None:
    run = run_program("x = 2", ["assert x == 2"], QUICK)
    assert run.state == "passed"
    assert 0 < run.cpu_s <= run.wall_s * 2 + 1


def test_a_failing_test_is_named_with_its_line_and_message() -> None:
    run = run_program("x = 2", ["assert x == 2", "y = 1\nassert x == 3, 'not three'"], QUICK)
    assert run.state == "failed"
    assert run.report["exception"] == "AssertionError"
    assert run.report["message"] == "not three"
    assert run.report["failing_test"] == "assert x == 3, 'not three'"
    assert run.report["test_index"] == 1


def test_an_exception_inside_the_program_names_its_line() -> None:
    run = run_program("def f():\n    return 1 / 0", ["f()"], QUICK)
    assert run.report["exception"] == "ZeroDivisionError"
    assert run.report["program_line"] == "2: return 1 / 0"


def test_evidence_is_capped() -> None:
    run = run_program("", [f"raise ValueError('x' * 100000)  # {'y' * 5000}"], QUICK)
    assert len(run.report["message"]) == 300
    assert len(run.report["failing_test"]) == 300


def test_limits_below_what_the_interpreter_needs_are_refused() -> None:
    with pytest.raises(UsageError, match="memory_bytes >= 67108864"):
        Limits(memory_bytes=1)


@pytest.mark.parametrize(
    ("interpreter", "reason"), [("/nowhere/python", "No such file"), ("/bin/true", "sign of life")]
)
def test_an_interpreter_that_does_not_start_is_the_graders_error(
    interpreter: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter)
    with pytest.raises(GradingError, match=reason):
        run_program("x = 1", [], QUICK)


def test_a_machine_without_process_handles_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with pytest.raises(GradingError, match="Linux"):
        run_program("x = 1", [], QUICK)


def test_memory_beyond_the_limit_is_a_memory_error() -> None:
    run = run_program("x = bytearray(300 << 20)", [], Limits(memory_bytes=256 << 20))
    assert (run.state, run.report["exception"]) == ("failed", "MemoryError")


def test_the_order_of_a_set_is_the_same_in_every_run() -> None:
    test = "raise ValueError(str({'north', 'south', 'east', 'west'}))"
    messages = {run_program("", [test], QUICK).report["message"] for _ in range(3)}
    assert len(messages) == 1


def test_a_dataclass_finds_its_module() -> None:
    program = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int' = 1\n"
    assert run_program(program, ["assert P() == P(1)"], QUICK).state == "passed"


def test_a_program_as_long_as_many_pipes_is_delivered_whole() -> None:
    program = "x = 0\n" + "x += 1\n" * 50_000
    assert run_program(program, ["assert x == 50000"], Limits()).state == "passed"
