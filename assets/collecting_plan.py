"""What is due of every cell when the grid is collected in one run: collect, record, or nothing.

Due is what the UI calls missing or failed, what a check condemned, and what has lost its file.
What is whole on disk and unknown to Dagster, since a run was killed in between, is only recorded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.check_state import grid_state
from assets.partitions import Grid, require_cells
from assets.recording import CellRecord
from assets.specs import BENCHMARK_SAMPLES, MODEL_CHECKPOINTS, TRAJECTORIES
from assets.trajectory_checks import NAMES
from quarry.catalog import Catalog
from quarry.collection import expected_file
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.repair.proofs import local_manifest
from quarry.semantic.verdicts import recorded_verdict
from quarry.trajectory.verification import verify

ASSET_KEY = dg.AssetKey(TRAJECTORIES.name)
Step = Literal["collect", "record"]


@dataclass(frozen=True)
class CollectionStep:
    """What is due of one cell.

    Args:
        partition: the cell.
        step: what is due; None where nothing is, or nothing can be done.
        reason: why.
        is_blocked: whether something has to be made before the cell can be collected.
        is_under_way: whether another run is at it, or waits to be.
    """

    partition: str
    step: Step | None
    reason: str
    is_blocked: bool = False
    is_under_way: bool = False

    @property
    def is_left(self) -> bool:
        """Whether something is still to be done, here or by another run."""
        return self.step is not None or self.is_blocked or self.is_under_way

    @property
    def key(self) -> TrajectoryKey:
        """The cell."""
        return TrajectoryKey.from_partition(self.partition)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """What is done, and why, on one line."""
        return f"{self.step or ('blocked' if self.is_blocked else 'nothing to do')}: {self.reason}"


@dataclass(frozen=True)
class GridPlanner:
    """Says what is due, of all cells before a run and of each again when its turn comes.

    Args:
        instance: knows what was recorded.
        entries: the catalog.
        directory: where the files lie.
        grid: all cells.
        again: collect those again that are whole.
        is_store_configured: whether missing samples can be fetched from a second copy.
        run_ids: runs whose cells are not collected again: this one, and those it goes on from.
    """

    instance: dg.DagsterInstance
    entries: Catalog
    directory: DataDirectory
    grid: Grid
    again: bool = False
    is_store_configured: bool = False
    run_ids: Collection[str] = ()

    def steps(self, cells: Sequence[str] = (), models: Sequence[str] = ()) -> list[CollectionStep]:
        """What is due of cells, those of a model together.

        Args:
            cells: those to look at; all if empty.
            models: only cells of these; of all if empty.

        Raises:
            UnknownNameError: a cell is not in the grid, or a model not in the catalog.
        """
        known = list(self.grid.cells.get_partition_keys())
        require_cells(cells, known, where="the cells to collect")
        for model in models:
            self.entries.model(model)
        order = list(self.grid.models.get_partition_keys())
        chosen = [
            key
            for key in map(TrajectoryKey.from_partition, known)
            if (not cells or key.partition in cells) and (not models or key.model in models)
        ]
        chosen.sort(key=lambda key: order.index(key.model))  # stable: benchmarks keep their order
        return self._steps([key.partition for key in chosen])

    def step(self, cell: str) -> CollectionStep:
        """What is due of one cell now."""
        [found] = self._steps([cell])
        return found

    def _steps(self, cells: Sequence[str]) -> list[CollectionStep]:
        statuses = self.instance.get_status_by_partition(ASSET_KEY, cells, self.grid.cells) or {}
        failed = grid_state(self.instance, TRAJECTORIES.name, NAMES, self.grid.cells).failed
        return [self._step(cell, statuses, failed) for cell in cells]

    def _step(
        self,
        cell: str,
        statuses: Mapping[str, AssetPartitionStatus | None],
        failed: Mapping[str, Sequence[str]],
    ) -> CollectionStep:
        """What is due of one cell."""
        key, status = TrajectoryKey.from_partition(cell), statuses.get(cell)
        if status == AssetPartitionStatus.IN_PROGRESS:
            reason = "another run is at it, or waits for the GPU"
            return CollectionStep(cell, None, reason, is_under_way=True)
        defect = self._defect(key)
        if reason := defect or self._condemned(cell, failed):
            return self._collected(key, reason)
        if self.again and not self._was_made_here(cell):
            return self._collected(key, "asked for again")
        if status == AssetPartitionStatus.FAILED:
            if self._is_outdated(key):
                return self._collected(key, "its last run failed; the file is of older inputs")
            return CollectionStep(cell, "record", "its last run failed; the file seems whole")
        if status is None:
            return CollectionStep(cell, "record", "the file is there and not known to Dagster")
        return CollectionStep(cell, None, "collected")

    def _collected(self, key: TrajectoryKey, reason: str) -> CollectionStep:
        """The step of a cell that has to be collected, if it can be."""
        samples, checkpoint = self.directory.samples(key), self.directory.checkpoint(key.model)
        if not samples.exists() and not self.is_store_configured:
            return self._blocked(key, BENCHMARK_SAMPLES.name, key.benchmark)
        if self.entries.model(key.model).recipe is not None and not checkpoint.exists():
            return self._blocked(key, MODEL_CHECKPOINTS.name, key.model)
        return CollectionStep(key.partition, "collect", reason)

    @staticmethod
    def _blocked(key: TrajectoryKey, asset: str, partition: str) -> CollectionStep:
        """The step of a cell whose upstream lacks."""
        reason = f"{asset} of {partition} is not there: materialise it first"
        return CollectionStep(key.partition, None, reason, is_blocked=True)

    def _defect(self, key: TrajectoryKey) -> str:
        """What a quick look finds wrong with the file; empty for nothing."""
        path = self.directory.trajectory(key)
        if not path.exists():
            return "no file"
        report = verify(path, level="light", expected=expected_file(self.entries, key))
        if report.errors:
            return f"damaged: {report.errors[0].what}"
        manifest = local_manifest(path)
        wrong = manifest and recorded_verdict(self.directory.root, manifest.content_digest).wrong
        return f"wrong: {wrong[0].what}" if wrong else ""

    def _is_outdated(self, key: TrajectoryKey) -> bool:
        """Whether the file is what the failed run was to replace: of other samples, say."""
        manifest = local_manifest(self.directory.trajectory(key))
        version = manifest.content_digest if manifest else None
        return bool(version) and CellRecord(TRAJECTORIES, key, version).is_outdated(self.instance)

    @staticmethod
    def _condemned(cell: str, failed: Mapping[str, Sequence[str]]) -> str:
        """Which checks failed; empty for none."""
        return f"damaged: {', '.join(failed[cell])} failed" if cell in failed else ""

    def _was_made_here(self, cell: str) -> bool:
        """Whether one of the runs made the cell."""
        if not self.run_ids:
            return False
        wanted = dg.AssetRecordsFilter(ASSET_KEY, asset_partitions=[cell])
        records = self.instance.fetch_materializations(wanted, limit=1).records
        return bool(records) and records[0].run_id in self.run_ids
