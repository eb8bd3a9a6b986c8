"""`Meanwhile`: what others have done since a plan was begun, asked right before it is carried out.

A plan may take hours (`--deep`), and is followed by waiting for a daemon or for earlier cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES, MODEL_CHECKPOINTS
from quarry.planning.plan import BackfillPlan, LeftOut, PlanRow
from sensors.known_grid import MADE_BY, known_grid

_MADE = "it was made by another run while this was planned or waited for"


class Meanwhile:
    """Remembers what was made so far; to be made before the plan.

    Args:
        instance: where it is recorded.
        graph: the assets.
        grid: all cells.
        has_store: whether there are second copies.
    """

    def __init__(
        self, instance: dg.DagsterInstance, graph: AssetGraph, grid: Grid, *, has_store: bool
    ) -> None:
        """Read what was made, a query an asset."""
        self._instance, self._graph, self._grid = instance, graph, grid
        self._has_store = has_store
        names = [one.name for made in MADE_BY.values() for one in made]
        names += [BENCHMARK_SAMPLES.name, MODEL_CHECKPOINTS.name]
        self._before = {name: self._latest(name) for name in names}

    def still_due(self, plan: BackfillPlan) -> BackfillPlan:
        """The plan without the cells that others work on or have made; these are left out."""
        busy = known_grid(
            self._instance, self._graph, self._grid, has_store=self._has_store, with_stale=False
        ).busy
        now = {name: self._latest(name) for name in self._before}
        found = [
            LeftOut(row.partition, why, row.reasons)
            for row in plan.rows
            if (why := self._why(row, busy, now))
        ]
        left = without(plan, found)
        needed = {name for row in left.rows for name in (row.key.benchmark, row.key.model)}
        before = tuple(
            one
            for one in plan.prerequisites
            if one.partition in needed and not self._is_new(one.asset, one.partition, now)
        )
        return replace(left, prerequisites=before)

    def _why(
        self, row: PlanRow, busy: Mapping[str, str], now: Mapping[str, Mapping[str, int]]
    ) -> str:
        """Why a cell is not due any more; empty where it is."""
        if row.partition in busy:
            return busy[row.partition]
        names = [one.name for one in MADE_BY[row.action]]
        is_made = all(self._is_new(name, row.partition, now) for name in names)
        return _MADE if is_made else ""

    def _is_new(self, asset: str, partition: str, now: Mapping[str, Mapping[str, int]]) -> bool:
        """Whether it was made since."""
        return now[asset].get(partition) != self._before[asset].get(partition)

    def _latest(self, asset: str) -> Mapping[str, int]:
        """The last event of each partition that was made."""
        return self._instance.get_latest_storage_id_by_partition(
            dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
        )


def without(plan: BackfillPlan, left_out: Sequence[LeftOut]) -> BackfillPlan:
    """A plan with some of its cells left out."""
    gone = {one.partition for one in left_out}
    rows = tuple(row for row in plan.rows if row.partition not in gone)
    return replace(plan, rows=rows, left_out=(*plan.left_out, *left_out))
