"""What Dagster knows of the grid's cells, as the plain data that plans are made from."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.partition_status_cache import AssetPartitionStatus
from dagster_shared.error import DagsterError

from assets.check_state import grid_state
from assets.identity import AssetIdentity
from assets.partitions import Grid
from assets.specs import (
    BENCHMARK_SAMPLES,
    CORRECTNESS_LABELS,
    LABEL_CHANGES,
    LABELLED_TRAJECTORIES,
    MODEL_CHECKPOINTS,
    REMOTE_LABELS,
    REMOTE_TRAJECTORIES,
    TRAJECTORIES,
)
from assets.trajectory_checks import NAMES
from assets.what_moved import Movements
from quarry.planning.known import Action, KnownGrid

MADE_BY: dict[Action, tuple[AssetIdentity, ...]] = {
    "collect": (TRAJECTORIES,),
    "label": (CORRECTNESS_LABELS, LABELLED_TRAJECTORIES, LABEL_CHANGES),
    "copy": (REMOTE_TRAJECTORIES, REMOTE_LABELS),
}
"""What each action makes, leaving out what follows from it."""
_LIVE = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]
_AT_WORK = "a run is working on it, or waits for its turn"


def known_grid(
    instance: dg.DagsterInstance,
    graph: AssetGraph,
    grid: Grid,
    *,
    has_store: bool,
    with_stale: bool = True,
) -> KnownGrid:
    """The state of every cell; a few queries, however many cells there are.

    Args:
        instance: where it is recorded.
        graph: the assets, to read backfills.
        grid: all cells.
        has_store: whether there are second copies.
        with_stale: also say what has moved, which reads every latest materialisation.
    """
    made_by: dict[Action, tuple[AssetIdentity, ...]] = {
        action: made for action, made in MADE_BY.items() if has_store or action != "copy"
    }
    names = [identity.name for identities in made_by.values() for identity in identities]
    cells = grid.cells.get_partition_keys()
    statuses = {name: _statuses(instance, name, cells, grid) for name in names}
    running = {cell for found in statuses.values() for cell in _having(found, "IN_PROGRESS")}
    failed: dict[Action, set[str]] = {
        action: {cell for one in made for cell in _having(statuses[one.name], "FAILED")}
        for action, made in made_by.items()
    }
    return KnownGrid(
        failed=failed,
        condemned=grid_state(instance, TRAJECTORIES.name, NAMES, grid.cells).failed,
        stale=_stale(instance, graph) if with_stale else {},
        recorded=set(statuses[TRAJECTORIES.name]),
        busy=dict(_in_backfills(instance, graph, set(names))) | dict.fromkeys(running, _AT_WORK),
        ready={
            name: instance.get_materialized_partitions(dg.AssetKey(name))
            for name in (BENCHMARK_SAMPLES.name, MODEL_CHECKPOINTS.name)
        },
        has_store=has_store,
    )


def _statuses(
    instance: dg.DagsterInstance, asset: str, cells: Sequence[str], grid: Grid
) -> dict[str, AssetPartitionStatus]:
    """How the partitions stand that Dagster knows."""
    found = instance.get_status_by_partition(dg.AssetKey(asset), cells, grid.cells)
    return {cell: status for cell, status in (found or {}).items() if status is not None}


def _having(statuses: Mapping[str, AssetPartitionStatus], name: str) -> Iterator[str]:
    """The partitions with one status."""
    return (cell for cell, status in statuses.items() if status.value == name)


def _stale(instance: dg.DagsterInstance, graph: AssetGraph) -> dict[Action, dict[str, str]]:
    """What has moved, by what renews it; copies are the business of healing."""
    movements = Movements(instance, graph)
    found: dict[Action, dict[str, str]] = {}
    for action in ("collect", "label"):
        for identity in reversed(MADE_BY[action]):  # the first of them says most
            found[action] = found.get(action, {}) | movements.of(identity.name)
    return found


def _in_backfills(
    instance: dg.DagsterInstance, graph: AssetGraph, assets: set[str]
) -> Iterator[tuple[str, str]]:
    """Cells that a backfill has not finished yet, with its id."""
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_LIVE)):
        if not backfill.is_asset_backfill:
            for cell in backfill.partition_names or []:
                yield cell, f"backfill {backfill.backfill_id} has it"
            continue
        try:
            data = backfill.get_asset_backfill_data(graph)
        except DagsterError:  # of other definitions: its cells are not told apart
            continue
        left = data.target_subset - data.materialized_subset - data.failed_and_downstream_subset
        for key, subset in left.partitions_subsets_by_asset_key.items():
            if key.to_user_string() in assets:
                for cell in subset.get_partition_keys():
                    yield str(cell), f"backfill {backfill.backfill_id} has it"
