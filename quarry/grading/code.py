"""Grades HumanEval and MBPP completions: finds the program and runs it with the tests.

Two steps, so that many programs can run at once: `prepare_code` finds the program (one thread only,
it compiles), `run_prepared` executes it (any thread). How a program is found lives in
`quarry.grading.code_extraction`, how it is run in `quarry.grading.process`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from quarry.errors import GradingError
from quarry.grading.answer_text import AnswerText, answer_text
from quarry.grading.code_extraction import Program, humaneval_program, mbpp_program
from quarry.grading.process import Run, run_program
from quarry.grading.program_source import compile_error
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason
from quarry.samples import Sample
from quarry.sandbox.limits import Limits

CODE_VERSION = "1"


@dataclass(frozen=True)
class PreparedProgram:
    """A program that compiles, and the tests it has to pass.

    Args:
        source: the whole program.
        form: how the completion was read, see `Program`.
        tests: source of each test, in order.
    """

    source: str
    form: str
    tests: tuple[str, ...]


def grade_code(
    sample: Sample,
    completion: str,
    finish_reason: FinishReason | None = None,
    *,
    format: str,
    limits: Limits,
) -> Grade:
    """Grade one completion of a code benchmark by executing it.

    Raises:
        GradingError: the sample has no usable tests, or the process could not be started.
    """
    prepared = prepare_code(sample, completion, finish_reason, format=format)
    return prepared if isinstance(prepared, Grade) else run_prepared(prepared, limits)


def prepare_code(
    sample: Sample, completion: str, finish_reason: FinishReason | None = None, *, format: str
) -> PreparedProgram | Grade:
    """The program to run, or the grade where there is nothing to run.

    Args:
        sample: a sample of `format`.
        completion: the decoded output of the model.
        finish_reason: why generation ended; None where that is not known.
        format: `humaneval` or `mbpp`.

    Raises:
        GradingError: the sample has no usable tests.
    """
    tests = _TESTS[format](sample)
    kept = answer_text(completion, finish_reason)
    program = _program(sample, kept, format)
    if program is None:
        return _grade(kept.missing, None, {"form": None})
    error = compile_error(program.source)
    if error is None:
        return PreparedProgram(program.source, program.form, tests)
    evidence = {
        "form": program.form,
        "phase": "compile",
        "exception": type(error).__name__,
        "message": str(error.msg)[:300],
        "program_line": f"{error.lineno}: {(error.text or '').strip()[:300]}",
    }
    verdict = Verdict.INCORRECT if kept.is_whole else Verdict.TRUNCATED
    return _grade(verdict, program.source, evidence)


def run_prepared(prepared: PreparedProgram, limits: Limits) -> Grade:
    """Run a prepared program with its tests.

    Raises:
        GradingError: the process could not be started.
    """
    run = run_program(prepared.source, prepared.tests, limits)
    evidence = {"form": prepared.form, **_described(run), "wall_s": run.wall_s, "cpu_s": run.cpu_s}
    return _grade(_VERDICTS[run.state], prepared.source, evidence)


_VERDICTS = {
    "passed": Verdict.CORRECT,
    "failed": Verdict.INCORRECT,
    "died": Verdict.INCORRECT,
    "timeout": Verdict.TIMEOUT,
}


def _described(run: Run) -> dict[str, Any]:
    """The runner's report, or how the process ended where it made none."""
    if run.state != "died":
        return dict(run.report)
    ending = f"signal {-run.exit_code}" if run.exit_code < 0 else f"exit code {run.exit_code}"
    return {
        "phase": "tests",
        "exception": "ProcessEnded",
        "message": f"the process ended with {ending} before the tests did",
    }


def _grade(verdict: Verdict, extracted: str | None, evidence: dict[str, Any]) -> Grade:
    return Grade(verdict, extracted, "code", CODE_VERSION, evidence)


def _program(sample: Sample, kept: AnswerText, format: str) -> Program | None:
    entry_point = str(sample.metadata.get("entry_point") or "")
    if format == "humaneval":
        return humaneval_program(sample.input, entry_point, kept.text)
    return mbpp_program(entry_point, kept.text)


def _humaneval_tests(sample: Sample) -> tuple[str, ...]:
    """The test function, and the call of it: without the call nothing is tested."""
    entry_point, test = _required(sample, "entry_point"), _required(sample, "test")
    if "def check(" not in test:
        raise _ungradeable(sample, "a test that defines check(candidate)", "no such function")
    return _compiling(sample, [test, f"check({entry_point})"])


def _mbpp_tests(sample: Sample) -> tuple[str, ...]:
    """Set-up behind the program, whose classes it uses, then one test per assert."""
    asserts: Sequence[str] = sample.metadata.get("test_list") or ()
    if not asserts:
        raise _ungradeable(sample, "metadata test_list with asserts", "none")
    setup = str(sample.metadata.get("test_setup_code") or "").replace("\r\n", "\n")
    return _compiling(sample, [*([setup] if setup.strip() else []), *asserts])


def _compiling(sample: Sample, tests: Sequence[str]) -> tuple[str, ...]:
    for test in tests:
        error = compile_error(test)
        if error is not None:
            raise _ungradeable(sample, "tests that compile", str(error))
    return tuple(tests)


def _required(sample: Sample, name: str) -> str:
    value = sample.metadata.get(name)
    if not isinstance(value, str) or not value:
        raise _ungradeable(sample, f"metadata {name}", repr(value))
    return value


def _ungradeable(sample: Sample, expected: str, got: str) -> GradingError:
    return GradingError(
        "A sample has no usable tests",
        where=sample.id,
        expected=expected,
        got=got,
        fix="correct the benchmark's record or its loader",
    )


_TESTS: dict[str, Callable[[Sample], tuple[str, ...]]] = {
    "humaneval": _humaneval_tests,
    "mbpp": _mbpp_tests,
}
