"""One engine serves several pieces of work, and a dead one is replaced once."""

from collections.abc import Callable

import pytest

from quarry.errors import EngineDiedError, EngineMemoryError, ModelLoadError, RecordError
from quarry.inference.reopening import ReopenedEngine
from tests.contracts.arithmetic_engine import ArithmeticEngine


class Openings:
    """Opens engines and remembers them; those that are told to fail can't be opened."""

    def __init__(self, *, failing: type[Exception] | None = None) -> None:
        self.engines: list[ArithmeticEngine] = []
        self.closed: list[ArithmeticEngine] = []
        self.attempts = 0
        self._failing = failing

    def __call__(self) -> ArithmeticEngine:
        self.attempts += 1
        if self._failing is not None:
            raise self._failing("no engine")
        engine = Closing(self.closed.append)
        self.engines.append(engine)
        return engine


class Closing(ArithmeticEngine):
    """An engine that says when it is closed."""

    def __init__(self, closed: Callable[[ArithmeticEngine], None]) -> None:
        super().__init__()
        self._closed = closed

    def close(self) -> None:
        self._closed(self)


def work(engine: ReopenedEngine, error: type[Exception] | None = None) -> ArithmeticEngine:
    """A piece of work, which may end in an error."""
    with engine.lent() as lent:
        assert isinstance(lent, ArithmeticEngine)
        if error is not None:
            raise error("stopped")
        return lent


def test_nothing_is_opened_before_it_is_needed():
    openings = Openings()
    with ReopenedEngine(openings):
        pass
    assert openings.attempts == 0


def test_one_engine_serves_all_work_and_is_closed_at_the_end():
    openings = Openings()
    with ReopenedEngine(openings) as engine:
        assert work(engine) is work(engine)
        assert openings.closed == []
    assert openings.closed == openings.engines
    assert openings.attempts == engine.n_opened == 1


def test_an_error_of_the_work_leaves_the_engine_open():
    openings = Openings()
    with ReopenedEngine(openings) as engine:
        first = work(engine)
        for _ in range(3):
            with pytest.raises(RecordError):
                work(engine, RecordError)
        assert work(engine) is first


@pytest.mark.parametrize("death", [EngineDiedError, EngineMemoryError])
def test_after_a_death_the_next_work_gets_a_new_engine(death: type[Exception]):
    openings = Openings()
    with ReopenedEngine(openings) as engine:
        first = work(engine)
        for _ in range(2):
            with pytest.raises(death):
                work(engine, death)
            assert openings.closed[-1] is openings.engines[-1]
            assert work(engine) is not first
        assert not engine.is_given_up
    assert openings.attempts == 3
    assert openings.closed == openings.engines


def test_after_two_deaths_in_a_row_there_is_no_third_engine():
    openings = Openings()
    with ReopenedEngine(openings) as engine:
        for _ in range(2):
            with pytest.raises(EngineDiedError, match="stopped"):
                work(engine, EngineDiedError)
        assert engine.is_given_up
        for _ in range(3):
            with pytest.raises(EngineDiedError, match="stopped"):
                work(engine)
    assert openings.attempts == 2
    assert openings.closed == openings.engines


def test_an_engine_that_can_not_be_opened_is_tried_once():
    openings = Openings(failing=ModelLoadError)
    with ReopenedEngine(openings) as engine:
        for _ in range(3):
            with pytest.raises(ModelLoadError, match="no engine"):
                work(engine)
    assert openings.attempts == 1


def test_a_model_that_proves_broken_at_its_first_use_is_not_loaded_again():
    openings = Openings()
    with ReopenedEngine(openings) as engine:
        for _ in range(2):
            with pytest.raises(ModelLoadError):
                work(engine, ModelLoadError)
    assert openings.attempts == 1
    assert openings.closed == openings.engines
