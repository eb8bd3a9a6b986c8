"""No program passes but by returning what the tests expect, and none leaves a trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from quarry.sandbox.layers import CONFINED, objection_to
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import Layer
from tests.grading.hostile_job import job_of
from tests.grading.hostile_suite import (
    Program,
    forging_program,
    honest_programs,
    hostile_families,
)
from tests.grading.hostile_sweep import HANGING_S, TIMEOUT_S, with_careful_ones
from tests.soak.forking import Forker

N_HOSTILE, N_HONEST = 130, 40
N_SHARES = 4
"""Parts that the honest programs are graded in, so that they can be spread over processes."""


AssertNothingWrong = Callable[..., None]


@pytest.fixture(scope="module")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """A process that forks one for each campaign."""
    errors = tmp_path_factory.mktemp("errors") / "errors.txt"
    with Forker("tests.grading.hostile_job", errors) as started:
        yield started


@pytest.fixture
def assert_nothing_wrong(
    forker: Forker, layer: Layer, tmp_path_factory: pytest.TempPathFactory
) -> AssertNothingWrong:
    """Grade programs and name those with a wrong verdict, and whatever they did."""

    def grade(programs: Sequence[Program], timeout_s: float = TIMEOUT_S) -> None:
        directory = tmp_path_factory.mktemp("w")
        told = directory.with_suffix(".json")
        job = {"programs": [job_of(one) for one in programs], "layer": layer}
        paths = {"directory": str(directory), "told": str(told)}
        assert forker.run({**job, **paths, "timeout_s": timeout_s}) == 0, forker.errors()
        wrong = json.loads(told.read_text(encoding="utf-8"))
        assert not wrong, "\n".join(wrong)

    return grade


@pytest.fixture(params=CONFINED)
def layer(request: pytest.FixtureRequest) -> Layer:
    """Each layer that stops attacks, where this machine has it."""
    objection = objection_to(request.param)
    if objection is not None:
        pytest.skip(f"layer {request.param} can't be used here: {objection}")
    return request.param


def test_there_are_enough_programs_and_no_two_are_the_same() -> None:
    hostile = [program for family in hostile_families().values() for program in family]
    sources = [program.source for program in (*hostile, *honest_programs())]
    assert len(hostile) >= N_HOSTILE
    assert len(honest_programs()) >= N_HONEST
    assert len({str(program) for program in hostile}) == len(hostile)
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("family", hostile_families())
def test_hostile_programs_never_pass_and_leave_nothing(
    family: str, assert_nothing_wrong: AssertNothingWrong
) -> None:
    programs = with_careful_ones(hostile_families()[family])
    assert_nothing_wrong(programs, HANGING_S if family == "hanging" else TIMEOUT_S)


def test_forged_replies_arrive(assert_nothing_wrong: AssertNothingWrong) -> None:
    """Sending what the tests expect is answering them: so what else is sent arrives, too."""
    three = "[n, 'value', [3, 4, 0][self.calls.pop(0)]] if what == 'call' else real()"
    program = forging_program("an answer", three, "None", "correct")
    source = f"{program.source}worker.calls = [0, 1, 2]\n"
    assert_nothing_wrong([replace(program, source=source)])


@pytest.mark.parametrize("share", range(N_SHARES))
def test_honest_programs_are_correct(share: int, assert_nothing_wrong: AssertNothingWrong) -> None:
    assert_nothing_wrong(honest_programs()[share::N_SHARES], Limits().timeout_s)
