"""No program passes but by returning what the tests expect, and none leaves a trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from quarry.sandbox.layers import CONFINED, objection_to
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import Layer
from tests.grading.hostile_suite import (
    Program,
    forging_program,
    honest_programs,
    hostile_families,
)
from tests.grading.hostile_sweep import HANGING_S, TIMEOUT_S, graded, with_careful_ones
from tests.grading.hostile_watch import Watch

pytestmark = pytest.mark.timeout(120)
N_HOSTILE, N_HONEST = 130, 40
N_SHARES = 4
"""Parts that the honest programs are graded in, so that they can be spread over processes."""


@pytest.fixture
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Planted things; their directory's path is short enough for a socket."""
    with Watch(tmp_path_factory.mktemp("w")) as planted:
        yield planted


@pytest.fixture(params=CONFINED)
def layer(request: pytest.FixtureRequest) -> Layer:
    """Each layer that stops attacks, where this machine has it."""
    objection = objection_to(request.param)
    if objection is not None:
        pytest.skip(f"layer {request.param} can't be used here: {objection}")
    return request.param


def assert_nothing_wrong(
    programs: Sequence[Program], layer: Layer, watch: Watch, timeout_s: float = TIMEOUT_S
) -> None:
    """Grade them and name those with a wrong verdict, and whatever they did."""
    found = graded(programs, layer, watch.planted, timeout_s)
    wrong = [f"{one}: {said}" for one, said in found if said]
    wrong += watch.side_effects()
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_programs_and_no_two_are_the_same() -> None:
    hostile = [program for family in hostile_families().values() for program in family]
    sources = [program.source for program in (*hostile, *honest_programs())]
    assert len(hostile) >= N_HOSTILE
    assert len(honest_programs()) >= N_HONEST
    assert len({str(program) for program in hostile}) == len(hostile)
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("family", hostile_families())
def test_hostile_programs_never_pass_and_leave_nothing(
    family: str, layer: Layer, watch: Watch
) -> None:
    programs = with_careful_ones(hostile_families()[family])
    timeout_s = HANGING_S if family == "hanging" else TIMEOUT_S
    assert_nothing_wrong(programs, layer, watch, timeout_s)


def test_forged_replies_arrive(layer: Layer, watch: Watch) -> None:
    """Sending what the tests expect is answering them: so what else is sent arrives, too."""
    three = "[n, 'value', [3, 4, 0][self.calls.pop(0)]] if what == 'call' else real()"
    program = forging_program("an answer", three, "None", "correct")
    source = f"{program.source}worker.calls = [0, 1, 2]\n"
    assert_nothing_wrong([replace(program, source=source)], layer, watch)


@pytest.mark.parametrize("share", range(N_SHARES))
def test_honest_programs_are_correct(share: int, layer: Layer, watch: Watch) -> None:
    programs = honest_programs()[share::N_SHARES]
    assert_nothing_wrong(programs, layer, watch, Limits().timeout_s)
