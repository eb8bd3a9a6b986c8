"""Doing what is due of every cell, in one step: collect, publish, record, check.

One engine serves all cells of a model. What is due is decided in `collecting_plan`.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from typing import Any, Protocol

import dagster as dg

from assets.collecting_plan import CollectionStep, GridPlanner
from assets.partitioned_checks import verdicts_of_partition
from assets.recording import CellRecord
from assets.specs import BENCHMARK_SAMPLES, TRAJECTORIES
from assets.trajectories import collected_output, output_of, whole_file
from assets.trajectory_checks import INTEGRITY_CHECKS, check_report
from quarry.collection import expected_file
from quarry.errors import READ_ERRORS
from quarry.healing.salvaging import salvage_first
from quarry.inference.engine import InferenceEngine
from quarry.inference.reopening import ReopenedEngine
from quarry.keys import TrajectoryKey
from quarry.progress import ProgressLog
from quarry.trajectory.verification import verify

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


class StoredFiles(Protocol):
    """What is used of an IO manager: the bytes of one partition, in and out."""

    def publish(self, asset: str, partition: str, value: Any) -> dict[str, Any]:
        """Give a value its final name; returns metadata."""
        ...

    def load(self, asset: str, partition: str, log: Callable[[str], None]) -> Any:
        """The value of one partition."""
        ...


class GridCollection:
    """The work of one run; a cell that fails does not stop the others.

    Args:
        context: of the step; its instance knows what is recorded.
        planner: says what is due, and whether it still is.
        tables: stores the samples.
        files: stores the trajectories.
        open_engine: loads a model, in a block that ends with freeing it.
    """

    def __init__(
        self,
        context: dg.OpExecutionContext,
        planner: GridPlanner,
        tables: StoredFiles,
        files: StoredFiles,
        open_engine: Callable[[str], AbstractContextManager[InferenceEngine]],
    ) -> None:
        """Nothing is done yet."""
        self._context = context
        self._log = context.log.info
        self._planner = planner
        self._tables = tables
        self._files = files
        self._open_engine = open_engine
        self._failed: dict[str, str] = {}

    def do(self, steps: Sequence[CollectionStep]) -> Iterator[Event]:
        """Do what is due; yields what is to be recorded, as soon as it is published."""
        for step in steps:
            self._log(f"{step.partition}: {step.sentence()}")
        self._failed = {step.partition: step.reason for step in steps if step.is_blocked}
        due = [step for step in steps if step.step]
        progress, done = ProgressLog(self._log, len(due), "cells", every_s=0.0), 0
        for model, cells in groupby(due, key=lambda step: step.key.model):
            with ReopenedEngine(self._opening(model)) as engine:
                for step in cells:
                    yield from self._guarded(step, engine)
                    progress.update(done := done + 1)

    def raise_if_failed(self) -> None:
        """End the run as failed, after everything else was done.

        Raises:
            Failure: a cell failed or lacks what it is made from; a retry would meet the same.
        """
        if not self._failed:
            return
        cell, reason = next(iter(self._failed.items()))
        raise dg.Failure(
            f"{len(self._failed)} cells could not be collected; {cell}: {reason}",
            metadata={name: dg.MetadataValue.text(text) for name, text in self._failed.items()},
            allow_retries=False,
        )

    def _opening(self, model: str) -> Callable[[], AbstractContextManager[InferenceEngine]]:
        """Opens the engine of a model and says how long that took."""

        @contextmanager
        def opened() -> Generator[InferenceEngine]:
            began = time.monotonic()
            with self._open_engine(model) as engine:
                self._log(f"engine of {model} opened in {time.monotonic() - began:.1f} s")
                yield engine

        return opened

    def _guarded(self, step: CollectionStep, engine: ReopenedEngine) -> Iterator[Event]:
        """A cell whose failure is kept for the end of the run."""
        try:
            yield from self._cell(step.partition, engine)
        except READ_ERRORS as error:
            self._failed[step.partition] = str(error)
            self._context.log.exception("%s could not be collected", step.partition)

    def _cell(self, cell: str, engine: ReopenedEngine) -> Iterator[Event]:
        """All steps of one cell, unless another run has done them by now."""
        now = self._planner.step(cell)
        if now.step is None:
            self._log(f"{cell}: {now.sentence()}")
            return
        key, context = now.key, self._context
        CellRecord(TRAJECTORIES, key).announce(
            context.instance, context.run, str(context.op_handle)
        )
        made = self._found_whole(key) if now.step == "record" else None
        made = made or self._collected(key, engine)
        facts = {
            **(made.metadata or {}),
            **self._files.publish(TRAJECTORIES.name, cell, made.value),
        }
        version = made.value.manifest.content_digest
        yield from self._recorded(CellRecord(TRAJECTORIES, key, version), facts)

    def _found_whole(self, key: TrajectoryKey) -> dg.Output[Any] | None:
        """The file of a cell that needs no collection."""
        path = self._planner.directory.trajectory(key)
        found = whole_file(path, expected_file(self._planner.entries, key))
        return output_of(found, {}) if found else None

    def _collected(self, key: TrajectoryKey, engine: ReopenedEngine) -> dg.Output[Any]:
        """The staged file of a cell, as the asset's own body makes it."""
        entries, directory, log = self._planner.entries, self._planner.directory, self._log
        samples = self._tables.load(BENCHMARK_SAMPLES.name, key.benchmark, log)
        path, expected = directory.trajectory(key), expected_file(entries, key)
        salvage_first(path, key, directory.root, log, expected=expected)
        with engine.lent() as lent:
            return collected_output(key, entries, samples, lent, directory, log)

    def _recorded(self, record: CellRecord, facts: dict[str, Any]) -> Iterator[Event]:
        """The cell and the verdicts of its checks, one right after the other.

        Raises:
            IntegrityError: the file is bad although it was verified before it was published.
        """
        key, instance = record.key, self._context.instance
        path = self._planner.directory.trajectory(key)
        report = verify(path, level="full", expected=expected_file(self._planner.entries, key))
        yield record.materialization(instance, facts)
        yield from verdicts_of_partition(
            instance, TRAJECTORIES.name, INTEGRITY_CHECKS, key.partition, check_report(report)
        )
        report.raise_if_broken()
