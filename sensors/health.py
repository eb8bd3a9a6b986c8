"""What healing acts on: the state of every cell here and in the object store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.check_state import grid_state
from assets.collecting import JOB as COLLECT_GRID
from assets.latest import latest_materializations
from assets.partitions import Grid
from assets.specs import REMOTE_TRAJECTORIES, TRAJECTORIES
from assets.trajectory_checks import NAMES
from quarry.catalog import Catalog
from quarry.costs.grid import GridCosts
from quarry.data_directory import DataDirectory
from quarry.errors import QuarryError
from quarry.healing.health import CellHealth, Copy, Local
from quarry.keys import TrajectoryKey
from quarry.storage.inventory import REMOTE_COPY_MATCHES, Entry, take_inventory
from quarry.trajectory.looks import light_look
from resources.store import ObjectStoreResource
from sensors.attempts import PARTITION_TAG
from sensors.verification import MARKING

ASSET_KEY = dg.AssetKey(TRAJECTORIES.name)
LISTING_S = 20.0
"""Most seconds for each listing of the store: Dagster gives a tick of a sensor 60 s."""


@dataclass(frozen=True)
class GridHealth:
    """The cells that healing may act on.

    Args:
        cells: in the order of the grid.
        busy: partitions that runs are working on now; not among the cells.
        uncollected: partitions that were never collected and that something else collects.
        store_error: why the store could not be asked; empty if it could.
        unreadable: partitions whose file can't be looked at at all, and why; not among the cells.
    """

    cells: list[CellHealth]
    busy: list[str]
    uncollected: list[str]
    store_error: str
    unreadable: dict[str, str] = field(default_factory=dict[str, str])

    def unverified(self) -> list[CellHealth]:
        """Cells with a file that no check has looked at."""
        return [cell for cell in self.cells if cell.local == "unverified"]

    def remarks(self) -> list[str]:
        """What else a person should know, as lines."""
        lines: list[str] = []
        if self.store_error:
            lines.append(f"The store could not be asked: {self.store_error}")
        lines += [f"{cell} can't be looked at: {why}" for cell, why in self.unreadable.items()]
        if self.busy:
            lines.append(f"Runs are working on {len(self.busy)} cells: {', '.join(self.busy)}")
        if self.uncollected:
            lines.append(
                f"{len(self.uncollected)} cells were never collected; automation, or `quarry "
                "backfill --missing`, collects them"
            )
        return lines


@dataclass(frozen=True)
class _Seen:
    """What the instance and the store say of the whole grid."""

    failed: Mapping[str, list[str]]
    unverified: Mapping[str, list[str]]
    rotten: Mapping[str, list[str]]
    statuses: Mapping[str, AssetPartitionStatus | None]
    good_at: Mapping[str, datetime]
    copies: Mapping[str, Entry] | None
    has_store: bool


def grid_health(
    instance: dg.DagsterInstance,
    grid: Grid,
    catalog: Catalog,
    directory: DataDirectory,
    store: ObjectStoreResource,
    *,
    takes_uncollected: bool = True,
) -> GridHealth:
    """Look at verdicts, files and the store's listing; reads a few KiB of each file.

    Args:
        instance: holds the verdicts.
        grid: its partitions.
        catalog: models, benchmarks, costs.
        directory: the files.
        store: the second copies.
        takes_uncollected: whether cells that were never collected are among the missing.
    """
    unreadable = _unreadable(catalog.cells(), directory)
    keys, store_error = [key for key in catalog.cells() if key.partition not in unreadable], ""
    try:
        copies = _copies(keys, directory, store)
    except QuarryError as error:  # no answer, no key, a damaged ledger: known of no cell
        copies, store_error = None, str(error)
    seen = _look(instance, grid, keys, copies, has_store=store.is_configured)
    busy = _busy(instance, keys, seen)
    cells: list[CellHealth] = []
    costs = GridCosts(catalog, directory.root)
    for key in keys:
        if key.partition not in busy:
            try:
                cells.append(_cell(key, directory, seen, costs))
            except OSError as error:  # a bad disk, or a file that went away meanwhile
                unreadable[key.partition] = str(error)
    uncollected = [] if takes_uncollected else _uncollected(cells, seen)
    left = [cell for cell in cells if cell.key.partition not in uncollected]
    return GridHealth(left, busy, uncollected, store_error, unreadable)


def _busy(instance: dg.DagsterInstance, keys: list[TrajectoryKey], seen: _Seen) -> list[str]:
    """Partitions that a run is making now."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))
    # such a run has no partition: what it works on is known by the status alone
    has_grid_run = any(run.job_name == COLLECT_GRID for run in runs)
    working = _working(runs)
    return [
        key.partition
        for key in keys
        if seen.statuses.get(key.partition) == AssetPartitionStatus.IN_PROGRESS
        and (has_grid_run or key.partition in working)
    ]


def _uncollected(cells: list[CellHealth], seen: _Seen) -> list[str]:
    """Partitions that no run ever made, and of which there is no copy."""
    return [
        cell.key.partition
        for cell in cells
        if cell.local == "missing"
        and cell.copy == "absent"
        and cell.key.partition not in seen.good_at
        and seen.statuses.get(cell.key.partition) is None
    ]


def _unreadable(keys: list[TrajectoryKey], directory: DataDirectory) -> dict[str, str]:
    """Partitions whose file can't even be asked for, and why."""
    found: dict[str, str] = {}
    for key in keys:
        try:
            directory.trajectory(key).exists()
        except OSError as error:
            found[key.partition] = str(error)
    return found


def _look(
    instance: dg.DagsterInstance,
    grid: Grid,
    keys: Sequence[TrajectoryKey],
    copies: Mapping[str, Entry] | None,
    *,
    has_store: bool,
) -> _Seen:
    """Verdicts, statuses and times of all partitions."""
    integrity = grid_state(instance, TRAJECTORIES.name, NAMES, grid.cells)
    checks = (REMOTE_COPY_MATCHES,) if has_store else ()
    remote = grid_state(instance, REMOTE_TRAJECTORIES.name, checks, grid.cells)
    partitions = [key.partition for key in keys]
    return _Seen(
        failed=integrity.failed,
        unverified=integrity.unverified,
        rotten=remote.failed,
        statuses=instance.get_status_by_partition(ASSET_KEY, partitions, grid.cells) or {},
        good_at=_materialized_at(instance),
        copies=copies,
        has_store=has_store,
    )


def _working(runs: Sequence[dg.DagsterRun]) -> set[str]:
    """Partitions that unfinished runs work on, but for runs that only record a failure."""
    return {
        run.tags[PARTITION_TAG]
        for run in runs
        if PARTITION_TAG in run.tags and not MARKING.items() <= run.tags.items()
    }


def _materialized_at(instance: dg.DagsterInstance) -> dict[str, datetime]:
    """Time of the latest materialisation of every partition."""
    made = latest_materializations(instance, TRAJECTORIES.name)
    return {name: datetime.fromtimestamp(one.timestamp, UTC) for name, one in made.items()}


def _copies(
    keys: list[TrajectoryKey], directory: DataDirectory, store: ObjectStoreResource
) -> dict[str, Entry]:
    """The store's listing by object name; empty where there is no store."""
    if not store.is_configured:
        return {}
    names = directory.files_by_object(keys)
    return {
        entry.name: entry
        for entry in take_inventory(
            names, store.open(), ledger=store.ledger(), deadline_s=LISTING_S
        ).entries
    }


def _cell(
    key: TrajectoryKey, directory: DataDirectory, seen: _Seen, costs: GridCosts
) -> CellHealth:
    """One cell."""
    path = directory.trajectory(key)
    local, why = _local(key, directory, seen)
    entry = (seen.copies or {}).get(str(key.trajectory_path))
    copy = _copy(entry, local, seen)
    size_bytes = _size_bytes(path)
    return CellHealth(
        key=key,
        local=local,
        copy=copy,
        is_copy_refuted=local == "sound" and key.partition in seen.rotten,
        is_lone=local in {"sound", "failed"} and copy in {"missing", "different", "absent"},
        size_bytes=size_bytes if size_bytes is not None else (entry.size_bytes if entry else 0),
        gpu_hours=costs.of(key).gpu_hours.high if local != "sound" else 0.0,
        why=why,
        last_good_at=seen.good_at.get(key.partition),
    )


def _size_bytes(path: Path) -> int | None:
    """The size of a file; None for none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _local(key: TrajectoryKey, directory: DataDirectory, seen: _Seen) -> tuple[Local, str]:
    """The file here, and what is wrong with it."""
    path, partition = directory.trajectory(key), key.partition
    if not path.exists():
        return "missing", ""
    report = light_look(path)
    if not report.is_clean:
        return "damaged", report.errors[0].what
    if partition in seen.failed:
        return "damaged", f"failed checks: {', '.join(seen.failed[partition])}"
    if seen.statuses.get(partition) == AssetPartitionStatus.FAILED:
        return "failed", "the latest run failed, and no check found damage"
    if partition in seen.unverified:
        return "unverified", "no check has looked at the file"
    return "sound", ""


def _copy(entry: Entry | None, local: Local, seen: _Seen) -> Copy:
    """The copy in the store, from its listing.

    Without a store a sound file needs nothing, and a damaged one has nowhere to come from.
    """
    if not seen.has_store:
        return "unknown" if local == "sound" else "absent"
    if seen.copies is None:
        return "unknown"
    if entry is None or entry.state == "orphaned":
        return "absent"
    return entry.state
