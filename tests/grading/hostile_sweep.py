"""Grades hostile programs between honest ones in one layer, and says what is wrong with a grade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from quarry.grading.grader import GradingTask, grade_stream
from quarry.grading.verdict import Grade
from quarry.sandbox.limits import LayerChoice, Limits
from tests.grading.hostile_suite import Program, careful_program, problems

TIMEOUT_S = 1.0
HANGING_S = 0.5
"""Enough for programs that never end."""

MEMORY_BYTES = 512 << 20


def with_careful_ones(programs: Iterable[Program]) -> list[Program]:
    """The programs, each followed by an honest one that looks for traces."""
    careful = careful_program()
    return list(chain.from_iterable((program, careful) for program in programs))


def graded(
    programs: Sequence[Program],
    layer: LayerChoice,
    planted: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
) -> Iterator[tuple[Program, str]]:
    """Each program and what is wrong with its grade; empty where it is as it should be.

    Args:
        programs: in the order of grading; neighbours of one format share their slots.
        layer: how they are shut in.
        planted: see `Watch.planted`.
        timeout_s: short by default, for many programs that never end.
    """
    limits = Limits(timeout_s=timeout_s, memory_bytes=MEMORY_BYTES, layer=layer)
    for format in dict.fromkeys(program.format for program in programs):
        own = [program for program in programs if program.format == format]
        tasks = (
            GradingTask(problems()[one.problem][1], one.completion(planted), "stop") for one in own
        )
        grades = grade_stream(tasks, format, limits)
        for program, grade in zip(own, grades, strict=True):
            yield program, _wrong_with(program, grade, layer)


def _wrong_with(program: Program, grade: Grade, layer: LayerChoice) -> str:
    """What is wrong with a grade; empty where it is right.

    What the published grader would say of a hostile program is not looked at: it can be fooled.
    """
    is_right = grade.verdict in program.verdicts and grade.evidence.get("layer") == layer
    if program.verdicts == {"correct"}:
        is_right &= grade.is_officially_correct is True
    official, evidence = grade.is_officially_correct, dict(grade.evidence)
    return "" if is_right else f"graded {grade.verdict}, officially {official}, {evidence}"
