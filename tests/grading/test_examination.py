"""One program and its tests: what it can come to, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_program_that_passes_has_counts_and_times(examine: Any) -> None:
    outcome = examine("def f(x): return x + 1", "assert f(1) == 2", "assert f(2) == 3\nassert True")
    assert outcome.state == "passed"
    assert (outcome.asserts_passed, outcome.asserts_failed) == (3, 0)
    assert outcome.report == {}
    assert outcome.cpu_s > 0
    assert outcome.wall_s > 0
    assert outcome.layer == "unconfined"


def test_the_first_assertion_that_fails_is_shown_with_both_values(examine: Any) -> None:
    outcome = examine(
        "def f(x): return [x]", "assert f(1) == [1]", "assert [3] == f(2), 'no'", "assert f(4) == 5"
    )
    assert outcome.state == "failed"
    assert (outcome.asserts_passed, outcome.asserts_failed) == (1, 2)
    assert outcome.report == {
        "phase": "tests",
        "exception": "AssertionError",
        "message": "no",
        "failing_test": "assert [3] == f(2), 'no'",
        "expected": "[3]",
        "got": "[2]",
    }


def test_an_assertion_over_several_lines_is_shown_whole(examine: Any) -> None:
    failing = "assert (\n        candidate(2)\n        == 3\n    )"
    check = f"def check(candidate):\n    assert candidate(1) == 1\n    {failing}\n"
    outcome = examine("def f(x): return x", "check(f)", setup=check)
    assert outcome.report["failing_test"] == failing
    assert (outcome.report["expected"], outcome.report["got"]) == ("3", "2")
    assert (outcome.asserts_passed, outcome.asserts_failed) == (1, 1)


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("assert f(2) < 1", {"expected": "1", "got": "2"}),
        ("assert not f(2)", {"got": "False"}),
        ("assert 1 < f(2) < 2", {"got": "False"}),
        ("assert f(2) == 1 or f(2) == 3", {"got": "False"}),
        ("assert False", {}),
        ("assert all(f(i) == 0 for i in range(3))", {"got": "False"}),
        ("x = f(2)\nassert abs(x - 5) < 0.1", {"expected": "0.1", "got": "3"}),
        ("raise AssertionError('own')", {}),
    ],
)
def test_each_form_of_assertion_shows_what_it_can(
    test: str, shown: dict[str, str], examine: Any
) -> None:
    report = examine("def f(x): return x", test).report
    assert {name: report[name] for name in ("expected", "got") if name in report} == shown


def test_assertions_in_methods_of_a_class_of_the_tests_are_watched(examine: Any) -> None:
    setup = """
class Case:
    def check(self):
        assert f(1) == 1
        assert f(2) == 3
"""
    outcome = examine("def f(x): return x", "Case().check()", setup=setup)
    assert (outcome.asserts_passed, outcome.asserts_failed) == (1, 1)
    assert (outcome.report["expected"], outcome.report["got"]) == ("3", "2")


def test_an_exception_of_the_program_names_its_line_and_own_name(examine: Any) -> None:
    program = """
        class Broken(ValueError):
            pass

        def f(x):
            raise Broken(f"no {x}")
    """
    outcome = examine(program, "assert f(1) == 2")
    assert outcome.report == {
        "phase": "tests",
        "exception": "Broken",
        "message": "no 1",
        "program_line": '6: raise Broken(f"no {x}")',
        "failing_test": "assert f(1) == 2",
    }


def test_an_assertion_of_the_programs_own_is_not_a_comparison(examine: Any) -> None:
    report = examine("def f(x):\n    assert x == 7\n    return x", "assert f(1) == 1").report
    assert report["exception"] == "AssertionError"
    assert report["program_line"] == "2: assert x == 7"
    assert "expected" not in report


@pytest.mark.parametrize(
    ("program", "exception"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit", "SystemExit"),
        ("def f(x) return", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("input()", "OSError"),
        ("import sys\nsys.stdin.read()", "OSError"),
        ("x = bytearray(1 << 40)", "MemoryError"),
    ],
)
def test_a_program_that_does_not_load_fails_as_such(
    program: str, exception: str, examine: Any
) -> None:
    outcome = examine(program, "assert f(1) == 1")
    assert outcome.state == "failed"
    assert (outcome.report["phase"], outcome.report["exception"]) == ("program", exception)


@pytest.mark.parametrize("leave", ["raise SystemExit(0)", "raise KeyboardInterrupt", "exit()"])
def test_leaving_a_call_is_an_exception_and_the_next_test_runs(leave: str, examine: Any) -> None:
    outcome = examine(
        f"import sys\ndef f(x):\n    if x: return x\n    {leave}", "assert f(0)", "assert f(1) == 1"
    )
    assert outcome.state == "failed"
    assert (outcome.asserts_passed, outcome.asserts_failed) == (1, 1)


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.close(3)", "os.abort()"]
)
def test_a_process_that_ends_has_not_passed(end: str, examine: Any) -> None:
    program = f"import os\ndef f(x):\n    if x == 2: {end}\n    return x"
    outcome = examine(program, "assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3")
    assert outcome.state == "died"
    assert outcome.report["exception"] == "ProcessEnded"
    assert outcome.asserts_passed == 1


def test_tests_that_catch_everything_do_not_hide_a_process_that_ended(examine: Any) -> None:
    test = "try:\n    f(1)\nexcept BaseException:\n    pass"
    assert examine("import os\ndef f(x): os._exit(0)", test).state == "died"


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import threading; threading.Lock().acquire(); threading.Event().wait()",
    ],
)
def test_what_does_not_end_is_a_timeout(body: str, examine: Any) -> None:
    outcome = examine(f"def f(x):\n    {body}", "assert f(1) == 1")
    assert outcome.state == "timeout"
    assert outcome.report["failing_test"] == "assert f(1) == 1"


def test_a_comparison_without_end_is_ended_from_outside(examine: Any) -> None:
    test = "x = f(1)\nassert x ** (10 ** 9) == 1"
    assert examine("def f(x): return 10 ** 4000", test).state == "timeout"


def test_a_test_that_has_failed_counts_before_one_that_does_not_end(examine: Any) -> None:
    program = "def f(x):\n    while x: pass\n    return x"
    outcome = examine(program, "assert f(0) == 1", "assert f(1) == 1")
    assert outcome.state == "failed"
    assert outcome.report["failing_test"] == "assert f(0) == 1"


def test_evidence_is_short_whatever_the_size(examine: Any) -> None:
    huge = """
        def f(kind):
            return {"int": 10**9999, "str": "x" * 10**6, "list": [[0] * 999] * 99}[kind]
    """
    for kind in ("int", "str", "list"):
        report = examine(huge, f"assert f({kind!r}) == 1").report
        assert 0 < len(report["got"]) <= 300
    report = examine(
        "def f(x): raise ValueError('y' * 10 ** 6)", f"assert f(1)  # {'z' * 999}"
    ).report
    assert max(map(len, map(str, report.values()))) <= 300


def test_a_surrogate_in_the_evidence_can_be_stored(examine: Any) -> None:
    report = examine(r"def f(x): return '\ud800'", "assert f(1) == 1").report
    assert report["got"].encode("utf-8")


def test_a_result_that_fills_the_memory_of_the_examiner_fails(examine: Any) -> None:
    for program in ("def f(): return range(10 ** 13)", "def f(): return range(10 ** 8)"):
        outcome = examine(program, "assert len(list(f())) == 1", "assert f()[3] == 3")
        assert outcome.state in {"failed", "timeout"}


def test_forged_frames_do_not_pass(examine: Any) -> None:
    program = """
        import os, json, struct
        def f(x):
            for number in range(1, 9):
                text = json.dumps([number, "value", 2]).encode()
                os.write(3, struct.pack(">I", len(text)) + text)
            return 1
    """
    outcome = examine(program, "assert f(1) == 2", "assert f(1) == 2")
    assert outcome.state == "failed"
    assert outcome.report["exception"] == "ForgedReply"
