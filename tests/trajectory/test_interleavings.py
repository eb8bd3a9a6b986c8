"""Whatever ends an attempt, in whatever order: nothing written is lost, nothing wrong is kept."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quarry.collection import collect
from quarry.errors import EngineMemoryError
from quarry.trajectory.kept_rows import kept_rows
from quarry.trajectory.publication import publish, recover
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import staged_files, sweep_staging
from quarry.trajectory.verification import verify
from tests.contracts.arithmetic_engine import (
    KEY,
    N_SAMPLES,
    ArithmeticEngine,
    benchmark,
    catalog,
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Attempts(RuleBasedStateMachine):
    """Attempts at one cell by processes that end in many ways."""

    def __init__(self) -> None:
        super().__init__()
        self.data_dir = Path(tempfile.mkdtemp(prefix="attempts-"))
        self.final = self.data_dir / KEY.trajectory_path
        self.least_kept = 0

    def teardown(self) -> None:
        shutil.rmtree(self.data_dir)

    def collect(self, engine: ArithmeticEngine, *, is_published: bool) -> None:
        staged = collect(KEY, catalog(), benchmark(), engine, self.data_dir, log=lambda _: None)
        if is_published:
            publish(staged, self.final)

    def in_child(self, engine: ArithmeticEngine, *, is_published: bool) -> int:
        """The same in a process that is killed at the end, or earlier; gives the samples run."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.collect(engine, is_published=is_published)
                os.write(writing, b"done")
            finally:
                die()
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as answer:
            return len(answer.read())

    @rule(stop_after=st.integers(0, N_SAMPLES))
    def fails(self, stop_after: int) -> None:
        engine = ArithmeticEngine(stop_after)
        try:
            self.collect(engine, is_published=False)
        except EngineMemoryError:
            self.least_kept += len(engine.ran)
        else:
            self.least_kept = N_SAMPLES

    @rule(stop_after=st.integers(0, N_SAMPLES))
    def is_killed(self, stop_after: int) -> None:
        self.in_child(ArithmeticEngine(stop_after, stop=die), is_published=False)

    @rule()
    def is_killed_after_publication(self) -> None:
        assert self.in_child(ArithmeticEngine(), is_published=True) == len("done")
        self.least_kept = 0

    @rule()
    def is_published(self) -> None:
        engine = ArithmeticEngine()
        self.collect(engine, is_published=True)
        assert len(engine.ran) <= N_SAMPLES - self.least_kept
        assert staged_files(self.data_dir, KEY) == []
        self.least_kept = 0

    @rule()
    def is_swept(self) -> None:
        sweep_staging(self.data_dir)
        recover(self.final)

    @precondition(lambda self: bool(staged_files(self.data_dir, KEY)))
    @rule(share=st.floats(0, 1))
    def loses_its_tail(self, share: float) -> None:
        path = staged_files(self.data_dir, KEY)[0]
        os.truncate(path, int(share * path.stat().st_size))
        self.least_kept = 0

    @invariant()
    def what_is_published_is_whole(self) -> None:
        if self.final.exists():
            assert verify(self.final).findings == []
            with TrajectoryReader(self.final) as reader:
                assert reader.n_samples == N_SAMPLES

    @invariant()
    def what_was_written_is_kept(self) -> None:
        with kept_rows(self.data_dir, KEY) as sources:
            kept = {name for one in sources for name in one.sample_ids if one.row(name) is not None}
        assert len(kept) >= self.least_kept


Attempts.TestCase.settings = settings(
    max_examples=25, stateful_step_count=8, deadline=None, derandomize=True
)
TestAttempts = pytest.mark.timeout(600)(Attempts.TestCase)
