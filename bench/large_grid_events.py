"""What the instance of a large grid remembers: a run a cell, its assets, and every check's verdict.

Then some cells rot: a later run of their checks failed. Half of these were marked since, so that
their partition is failed, too.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.definitions.partitions.utils import get_tags_from_multi_partition_key
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)

from assets.identity import AssetIdentity
from assets.label_checks import CURRENT, LABEL_CHECKS
from assets.recording import UPSTREAM
from assets.specs import (
    BENCHMARK_SAMPLES,
    CORRECTNESS_LABELS,
    LABEL_CHANGES,
    LABELLED_TRAJECTORIES,
    TRAJECTORIES,
)
from assets.trajectory_checks import NAMES
from assets.version_checks import SAMPLES_CURRENT
from bench.large_grid_files import MadeGrid
from bench.large_grid_storage import BulkWriter, bulk_writer
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey
from quarry.trajectory.manifest import manifest_path, read_manifest
from sensors.jobs import COLLECT, MARK, VERIFY

LABEL_NAMES = tuple(check.name for check in (*LABEL_CHECKS, CURRENT))
EVERY_ROTTEN = 200
FIRST_DAY = 1_750_000_000.0
Made = dict[tuple[str, str], tuple[str, int]]
"""Data version and place in the log of what was made, by asset and partition."""


def make_instance(grid: MadeGrid, home: Path, settings: Path) -> dg.DagsterInstance:
    """The instance of a grid; made if it is not there.

    Args:
        grid: its files.
        home: the instance's folder.
        settings: the `dagster.yaml` to copy.
    """
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(settings, home / "dagster.yaml")
    instance = dg.DagsterInstance.from_config(str(home))
    if instance.event_log_storage.get_maximum_record_id() is None:
        instance.get_runs(limit=1)
        with bulk_writer(home) as writer:
            _History(writer).write(grid)
    return instance


def rotten_cells(grid: MadeGrid) -> Sequence[TrajectoryKey]:
    """The cells that were damaged after they were collected."""
    return grid.collected[EVERY_ROTTEN // 2 :: EVERY_ROTTEN]


def damage(grid: MadeGrid) -> None:
    """Cut the files of every other rotten cell short."""
    for key in rotten_cells(grid)[::2]:
        path = grid.directory.trajectory(key)
        if path.stat().st_size == read_manifest(manifest_path(path)).size_bytes:
            with path.open("rb+") as file:
                file.truncate(path.stat().st_size - 100)


@dataclass
class _History:
    """Writes what happened, run after run."""

    writer: BulkWriter

    def write(self, grid: MadeGrid) -> None:
        """All of it."""
        made: Made = {}
        for benchmark in dict.fromkeys(key.benchmark for key in grid.catalog.cells()):
            self._run("sample", benchmark, {})
            self._make(BENCHMARK_SAMPLES, benchmark, f"samples of {benchmark}", made)
            self._check(BENCHMARK_SAMPLES, [SAMPLES_CURRENT.name], benchmark, made)
        for at, key in enumerate(grid.collected):
            self.writer.at = FIRST_DAY + 60.0 * at
            self._collect(grid, key, made)
        for at, key in enumerate(rotten_cells(grid)):
            self.writer.at += 1.0
            self._run(VERIFY, key.partition, _tags(key))
            self._check(TRAJECTORIES, NAMES, key.partition, made, failed={"chunks_intact"})
            if at % 4 < 2:
                self._run(MARK, key.partition, _tags(key), has_failed=True)
                self._announce(TRAJECTORIES, key.partition)

    def _collect(self, grid: MadeGrid, key: TrajectoryKey, made: Made) -> None:
        """One cell, with its labels."""
        version = read_manifest(manifest_path(grid.directory.trajectory(key))).content_digest
        self._run(COLLECT, key.partition, _tags(key))
        self._make(TRAJECTORIES, key.partition, version, made, key)
        self._check(TRAJECTORIES, NAMES, key.partition, made)
        self._make(CORRECTNESS_LABELS, key.partition, f"labels of {version}", made, key)
        self._check(CORRECTNESS_LABELS, LABEL_NAMES, key.partition, made)
        self._make(LABELLED_TRAJECTORIES, key.partition, f"view of {version}", made, key)
        self._make(LABEL_CHANGES, key.partition, f"changes of {version}", made, key)

    def _run(
        self, job: str, partition: str, tags: dict[str, str], *, has_failed: bool = False
    ) -> None:
        """The run of what comes next."""
        self._run_id, self._job = str(uuid.uuid4()), job
        tags = {"dagster/partition": partition, **tags}
        self.writer.add_run(self._run_id, job, has_failed=has_failed, tags=tags)

    def _announce(self, identity: AssetIdentity, partition: str) -> None:
        """The event that says that a run is to make a partition."""
        planned = AssetMaterializationPlannedData(dg.AssetKey(identity.name), partition=partition)
        event = DagsterEvent.build_asset_materialization_planned_event(
            self._job, identity.name, planned
        )
        self.writer.store(self._run_id, event)

    def _make(
        self,
        identity: AssetIdentity,
        partition: str,
        version: str,
        made: Made,
        key: TrajectoryKey | None = None,
    ) -> None:
        """A materialisation, with the tags that tell stale from fresh."""
        self._announce(identity, partition)
        tags = {
            CODE_VERSION_TAG: identity.code_version,
            DATA_VERSION_TAG: version,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            **(_inputs(identity, key, made) if key else {}),
        }
        event = dg.AssetMaterialization(
            identity.name,
            partition=_partition(key) if key else partition,
            metadata={"size_bytes": 31_560, "dagster/row_count": 4, "run_s": 0.5},
            tags={**tags, **(_tags(key) if key else {})},
        )
        data = StepMaterializationData(event, [])
        made[identity.name, partition] = (
            version,
            self._store(DagsterEventType.ASSET_MATERIALIZATION, identity.name, data),
        )

    def _check(
        self,
        identity: AssetIdentity,
        names: Iterable[str],
        partition: str,
        made: Made,
        failed: Iterable[str] = (),
    ) -> None:
        """The verdicts of checks on the latest materialisation."""
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=made[identity.name, partition][1],
            run_id=self._run_id,
            timestamp=self.writer.at,
        )
        for name in names:
            planned = AssetCheckEvaluationPlanned(
                asset_key=dg.AssetKey(identity.name),
                check_name=name,
                partitions_subset=DefaultPartitionsSubset({partition}),
            )
            self._store(DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, name, planned)
            verdict = dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(identity.name),
                check_name=name,
                passed=name not in failed,
                metadata={"size_bytes": dg.MetadataValue.int(31_560)},
                target_materialization_data=target,
                partition=partition,
                blocking=True,
            )
            self._store(DagsterEventType.ASSET_CHECK_EVALUATION, name, verdict)

    def _store(self, kind: DagsterEventType, step: str, data: object) -> int:
        """An event of the run."""
        event = DagsterEvent(kind.value, self._job, step_key=step, event_specific_data=data)  # type: ignore[arg-type]
        return self.writer.store(self._run_id, event)


def _inputs(identity: AssetIdentity, key: TrajectoryKey, made: Made) -> dict[str, str]:
    """Tags that say from what a cell was made; models are from elsewhere, and have no record."""
    tags: dict[str, str] = {}
    for name in UPSTREAM[identity.name]:
        alone = {BENCHMARK_SAMPLES.name: key.benchmark, "model_checkpoints": key.model}
        version, place = made.get((name, alone.get(name, key.partition)), ("INITIAL", 0))
        text = sha256(version.encode()).hexdigest() if place else version
        tags[get_input_data_version_tag(dg.AssetKey(name))] = text
        tags[get_input_event_pointer_tag(dg.AssetKey(name))] = str(place) if place else "NULL"
    return tags


def _partition(key: TrajectoryKey) -> dg.MultiPartitionKey:
    """The partition with its dimensions."""
    return dg.MultiPartitionKey({MODEL_DIMENSION: key.model, BENCHMARK_DIMENSION: key.benchmark})


def _tags(key: TrajectoryKey) -> dict[str, str]:
    """Tags of a run of a cell."""
    return dict(get_tags_from_multi_partition_key(_partition(key)))
