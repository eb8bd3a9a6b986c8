"""The sensor that records what lies in a cell's place and that no run of this instance made.

`quarry adopt` puts older files in place; another machine, or another instance, may have collected.
What is recorded is a materialisation without a run, and then real runs of the checks: a check
result without a run would be ignored, and a second one refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

import assets.latest
from assets.check_state import grid_state, partition_tags
from assets.materialization_tags import DATA_VERSION_TAG
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from assets.trajectory_checks import NAMES
from quarry.adoption.cell_files import CellFile, files_in_place
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey
from resources.files import FilesResource

NAME = "adopt_files"
MOST_PER_TICK = 25
AFTER_TAG = "quarry/adopted_after"
ASSET_KEY = dg.AssetKey(TRAJECTORIES.name)
CHECK_KEYS = [dg.AssetCheckKey(ASSET_KEY, name) for name in NAMES]


@dataclass(frozen=True)
class Recorded:
    """The latest materialisation of a partition, which is all the memory that the sensor needs.

    Args:
        storage_id: its place in the event log.
        data_version: what it says the file holds.
        run_key: of the check run that this sensor asked for with it; empty if it did not make the
            materialisation.
    """

    storage_id: int
    data_version: str
    run_key: str


def build_adoption_sensor(grid: Grid) -> dg.SensorDefinition:
    """The sensor that adopts files into the instance."""
    cells = [TrajectoryKey.from_partition(str(key)) for key in grid.cells.get_partition_keys()]

    @dg.sensor(
        name=NAME,
        target=dg.AssetSelection.checks(*CHECK_KEYS),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Records trajectory files that lie in a cell's place and that no run here "
        "made, such as those of `quarry adopt`, and runs their integrity checks. Looks at names "
        "and manifests only.",
    )
    def adopt_files(context: dg.SensorEvaluationContext, files: FilesResource) -> dg.SensorResult:
        # The files first: what a run publishes later is then in progress or recorded below.
        found = files_in_place(files.open().root, cells)
        # Then what runs are working on: what one records later is no longer in progress below.
        busy = _busy(context.instance, grid, [file.key.partition for file in found])
        recorded = latest_materializations(context.instance)
        new = _unrecorded(found, recorded, busy)
        now, waiting = new[:MOST_PER_TICK], len(new) - MOST_PER_TICK
        requests = [_checks(file.key.partition, _next_key(file, recorded)) for file in now]
        requests += _left_over(context.instance, grid, recorded, {f.key.partition for f in now})
        events = [_event(file, _last_id(file, recorded)) for file in now]
        if not requests:
            return dg.SensorResult(skip_reason=f"all of {len(found)} files are recorded")
        if waiting > 0:
            context.log.info("%d more files wait for the next ticks", waiting)
        return dg.SensorResult(requests, asset_events=events)

    return adopt_files


def latest_materializations(instance: dg.DagsterInstance) -> dict[str, Recorded]:
    """The latest materialisation of every partition."""
    made: dict[str, Recorded] = {}
    for partition, one in assets.latest.latest_materializations(
        instance, TRAJECTORIES.name
    ).items():
        version, after = one.tags.get(DATA_VERSION_TAG, ""), one.tags.get(AFTER_TAG)
        run_key = _run_key(partition, version, after) if after is not None else ""
        made[partition] = Recorded(one.storage_id, version, run_key)
    return made


def _unrecorded(
    found: list[CellFile], recorded: Mapping[str, Recorded], busy: set[str]
) -> list[CellFile]:
    """The files that the instance knows nothing of, or knows as another version.

    A file that lost its manifest is no new version; one that a run is working on is the run's.
    """
    new = [file for file in found if _is_new(file, recorded.get(file.key.partition))]
    return [file for file in new if file.key.partition not in busy]


def _busy(instance: dg.DagsterInstance, grid: Grid, partitions: list[str]) -> set[str]:
    """The partitions that runs are working on."""
    statuses = instance.get_status_by_partition(ASSET_KEY, partitions, grid.cells) or {}
    return {name for name, one in statuses.items() if one == AssetPartitionStatus.IN_PROGRESS}


def _is_new(file: CellFile, recorded: Recorded | None) -> bool:
    """Whether a file is to be recorded."""
    if recorded is None:
        return True
    return file.manifest is not None and file.version != recorded.data_version


def _run_key(partition: str, version: str, after: str) -> str:
    """One for each time that a file comes to be in a cell's place, also if it comes back."""
    return f"adopt-{partition}-{version[:32]}-{after}"


def _next_key(file: CellFile, recorded: Mapping[str, Recorded]) -> str:
    """The run key of a file that is about to be recorded."""
    return _run_key(file.key.partition, file.version, _last_id(file, recorded))


def _last_id(file: CellFile, recorded: Mapping[str, Recorded]) -> str:
    """The materialisation that a file comes after; 0 for the first."""
    before = recorded.get(file.key.partition)
    return str(before.storage_id if before else 0)


def _checks(partition: str, run_key: str) -> dg.RunRequest:
    """A run of all integrity checks of a cell."""
    return dg.RunRequest(
        run_key=run_key,
        tags=partition_tags(partition),
        asset_selection=[],
        asset_check_keys=CHECK_KEYS,
    )


def _left_over(
    instance: dg.DagsterInstance, grid: Grid, recorded: Mapping[str, Recorded], now: set[str]
) -> Iterator[dg.RunRequest]:
    """Check runs of files that were recorded by a tick that died before it launched them.

    Asked for under their old key, which launches a run once and never again.
    """
    adopted = {p: one.run_key for p, one in recorded.items() if one.run_key and p not in now}
    if not adopted:
        return
    state = grid_state(instance, TRAJECTORIES.name, NAMES, grid.cells)
    for partition in sorted(adopted.keys() & state.unverified.keys()):
        yield _checks(partition, adopted[partition])


def _event(file: CellFile, after: str) -> dg.AssetMaterialization:
    """The materialisation of a file that no run made."""
    metadata: dict[str, dg.MetadataValue | str | int] = {
        "size_bytes": file.size_bytes,
        "origin": file.manifest.origin if file.manifest else "unknown: it has no manifest",
        "path": dg.MetadataValue.path(str(file.path)),
    }
    if file.manifest is not None:
        metadata["blake3"] = file.manifest.blake3
        metadata["dagster/row_count"] = file.manifest.n_samples
    return dg.AssetMaterialization(
        ASSET_KEY,
        description="A file that lay in its place and that no run of this instance made.",
        metadata=metadata,
        partition=_partition(file.key),
        tags={DATA_VERSION_TAG: file.version, AFTER_TAG: after},
    )


def _partition(key: TrajectoryKey) -> dg.MultiPartitionKey:
    """The partition with its dimensions, as events of runs carry it."""
    return dg.MultiPartitionKey({MODEL_DIMENSION: key.model, BENCHMARK_DIMENSION: key.benchmark})
