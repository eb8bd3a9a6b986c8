"""One examination in a process of its own: program into the worker, tests here, report out.

A program passes when its set-up and each test ran to the end while the worker was there. Starting
this process and ending it in time is the business of `server`.
"""

from __future__ import annotations

import builtins
import itertools
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from quarry.grading.examiner import shown
from quarry.grading.examiner.assertions import PASSED, WatchedSource, compared, watched
from quarry.grading.examiner.conversation import (
    BrokenOffError,
    Conversation,
    NotGradeableError,
    WorkerGoneError,
)
from quarry.grading.examiner.names import free_names, names_of_tests, resolved
from quarry.sandbox.inside.wire import Channel

_SEED = 0  # of what tests draw, so that a label repeats
_TEST_FILE = "<test {}>"


class DeadlineError(BrokenOffError):
    """The time of this grade is over."""


@dataclass(frozen=True)
class Prepared:
    """Tests that are compiled.

    Args:
        setup: what runs before the tests; all of them see what it binds.
        tests: each runs, whatever became of those before.
        free: names that they take from elsewhere.
        bound: names that set-up and tests define.
        preamble: code that defines the prompt's own names, or None where no test uses any.
        entry_point: the function that is tested.
    """

    setup: WatchedSource
    tests: tuple[WatchedSource, ...]
    free: frozenset[str]
    bound: frozenset[str]
    preamble: WatchedSource | None
    entry_point: str


def prepared(entry_point: str, preamble: str, setup: str, tests: tuple[str, ...]) -> Prepared:
    """Tests, compiled once for any number of programs."""
    subjects = frozenset({entry_point, "candidate"})
    sources = [
        watched(source, _TEST_FILE.format(number), subjects)
        for number, source in enumerate((setup, *tests))
    ]
    free = free_names((setup, *tests))
    bound = names_of_tests((setup, *tests)) - {entry_point}
    is_needed = any(name != entry_point and not hasattr(builtins, name) for name in free)
    before = watched(preamble, "<prompt>", subjects) if is_needed and preamble else None
    return Prepared(sources[0], tuple(sources[1:]), free, bound, before, entry_point)


_STATES: dict[type[BaseException], str] = {
    DeadlineError: "timeout",
    WorkerGoneError: "died",
    NotGradeableError: "not_gradeable",
}


class Sitting:
    """One program and its tests.

    Args:
        channel: to the worker.
        tests: what the program has to pass.
        program: its source.
        is_as_published: whether it is run as the published graders do, see `Examination`.
    """

    def __init__(
        self, channel: Channel, tests: Prepared, program: str, *, is_as_published: bool
    ) -> None:
        self._conversation = Conversation(channel)
        self._tests = tests
        self._program = program
        self._is_as_published = is_as_published
        self._passed = itertools.count()
        self._n_failed = 0
        self._first: dict[str, Any] = {}
        self._is_running = True

    def end(self) -> None:
        """The time is over: break off what runs, and ask nothing any more.

        Raises:
            DeadlineError: in whatever is running.
        """
        if not self._is_running:
            return
        over = DeadlineError("the time is over")
        self._conversation.end(over)
        raise over

    def report(self) -> dict[str, Any]:
        """Run it all and say what came of it."""
        random.seed(_SEED)
        phase = "program"
        try:
            wanted = sorted(self._tests.free)
            taken = sorted(self._tests.bound) if self._is_as_published else []
            bound = self._conversation.ask(
                "load", self._program, self._is_as_published, wanted, taken
            )
            phase = "tests"
            self._run_tests(bound)
        except BaseException as error:  # noqa: BLE001  a test or the program may raise anything
            self._note(error, phase)
        self._is_running = False
        ended = self._conversation.ended
        state = "failed" if self._first else "passed"
        if ended is not None and not self._n_failed:
            state = _STATES.get(type(ended), "failed")
            self._first = self._first or {"phase": phase, **_named(ended)}
        counts = {"asserts_passed": next(self._passed), "asserts_failed": self._n_failed}
        return {"state": state, **self._first, **counts}

    def _run_tests(self, bound: list[str]) -> None:
        """Set-up, then each test, whatever became of those before."""
        namespace = self._namespace(bound)
        exec(self._tests.setup.code, namespace)
        for test in self._tests.tests:
            try:
                exec(test.code, namespace)
            except BrokenOffError:
                raise
            except BaseException as error:  # noqa: BLE001  a failed test
                self._note(error, "tests")
                self._n_failed += 1

    def _namespace(self, bound: list[str]) -> dict[str, Any]:
        """Where the tests run, with what they take from elsewhere."""
        before: dict[str, Any] = {PASSED: int}
        if self._tests.preamble is not None:
            exec(self._tests.preamble.code, before)
        names = resolved(
            self._tests.free.intersection(bound),
            self._tests.entry_point,
            {name: before[name] for name in self._tests.free & before.keys()},
            self._conversation,
            is_as_published=self._is_as_published,
        )
        return {PASSED: self._passed.__next__, **names}

    def _note(self, error: BaseException, phase: str) -> None:
        """Keep what the first failure was."""
        if self._first:
            return
        described = getattr(error, "described", None)
        self._first = {"phase": phase, **_named(error)}
        if described is not None:
            self._first |= {key: described[key] for key in ("exception", "message")}
            self._first |= self._program_line(described["line"])
        for trace, source in self._test_frames(error):
            self._first["failing_test"] = source.text_at(trace.tb_lineno)
            assertion = source.assertion_at(trace.tb_lineno)
            if assertion and described is None and isinstance(error, AssertionError):
                values = compared(assertion, trace)
                self._first |= {name: shown.text(value) for name, value in values.items()}

    def _program_line(self, number: int | None) -> dict[str, str]:
        lines = self._program.splitlines()
        if number is None or not 0 < number <= len(lines):
            return {}
        return {"program_line": f"{number}: {shown.cut(lines[number - 1].strip())}"}

    def _test_frames(self, error: BaseException) -> list[tuple[TracebackType, WatchedSource]]:
        """The last place in the tests that an exception passed through."""
        sources = {
            _TEST_FILE.format(number): source
            for number, source in enumerate((self._tests.setup, *self._tests.tests))
        }
        found: list[tuple[TracebackType, WatchedSource]] = []
        trace = error.__traceback__
        while trace is not None:
            source = sources.get(trace.tb_frame.f_code.co_filename)
            found = [(trace, source)] if source else found
            trace = trace.tb_next
        return found


def _named(error: BaseException) -> dict[str, str]:
    name = type(error).__name__
    if isinstance(error, BrokenOffError):
        name = name.removesuffix("Error")
    return {"exception": name, "message": shown.message(error)}
