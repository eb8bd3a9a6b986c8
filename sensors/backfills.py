"""Backfills of plans: which partitions of which assets they hold, and finding them again.

How they go on is in `backfill_watch`. Launching is the web server's business, through its GraphQL
interface: see `commands`. That none of these assets has a backfill policy is what gives each cell a
run, and its checks a partition.
"""

import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter

from assets.partitions import Grid
from quarry.keys import TrajectoryKey
from quarry.planning.known import Action
from quarry.planning.plan import BackfillPlan
from sensors.known_grid import MADE_BY

PLAN_TAG = "quarry/plan"
"""On a backfill and its runs: what is done, and for which troubles."""
LAUNCH_TAG = "quarry/launch"
"""Likewise: which launch it came from, so that one whose answer was lost is found again."""


def assets_of(action: Action, *, has_store: bool) -> list[str]:
    """What a backfill of an action makes in each cell: itself, and what follows from it."""
    if action == "copy":
        made = MADE_BY["copy"]
    else:
        made = (*(MADE_BY["collect"] if action == "collect" else ()), *MADE_BY["label"])
        # without new trajectories only the labels are copied
        made += () if not has_store else MADE_BY["copy"][0 if action == "collect" else 1 :]
    return [identity.name for identity in made]


def backfill_params(plan: BackfillPlan, action: Action, grid: Grid, *, has_store: bool) -> Any:
    """The GraphQL input `LaunchBackfillParams` for the part of a plan with one action."""
    cells = cell_ranges([row.key for row in plan.rows], grid)
    targets = [(name, cells) for name in assets_of(action, has_store=has_store)]
    before: dict[str, list[dict[str, str]]] = {}
    for one in plan.prerequisites:
        before.setdefault(one.asset, []).append({"start": one.partition, "end": one.partition})
    kinds = ", ".join(plan.counts)
    return {
        "partitionsByAssets": [
            {"assetKey": {"path": [name]}, "partitions": {"ranges": ranges}}
            for name, ranges in [*before.items(), *targets]
        ],
        "title": f"quarry: {plan.title}" + ("" if action == "collect" else f", {action} only"),
        "description": _description(plan, action),
        "tags": [
            {"key": PLAN_TAG, "value": f"{action}: {kinds}"},
            {"key": LAUNCH_TAG, "value": uuid.uuid4().hex},
        ],
    }


def _description(plan: BackfillPlan, action: Action) -> str:
    """What the backfill's page says of it."""
    cost = f" About {plan.total.text}." if action == "collect" else ""
    return f"{action} {len(plan.rows)} cells of the catalog {plan.catalog}.{cost}"


def cell_ranges(keys: Sequence[TrajectoryKey], grid: Grid) -> list[dict[str, str]]:
    """Cells as ranges of models within a benchmark; ten thousand single ones take the server long.

    A range of a grid is the product of the ranges of its dimensions, so that one benchmark and
    neighbouring models are exactly these cells.
    """
    order = {model: place for place, model in enumerate(grid.models.get_partition_keys())}
    found: list[tuple[TrajectoryKey, TrajectoryKey]] = []
    ends: dict[str, int] = {}
    for key in sorted(keys, key=lambda one: order[one.model]):
        place = ends.get(key.benchmark)
        if place is not None and order[found[place][1].model] + 1 == order[key.model]:
            found[place] = found[place][0], key
        else:
            ends[key.benchmark] = len(found)
            found.append((key, key))
    return [{"start": first.partition, "end": last.partition} for first, last in found]


def find_launched(instance: dg.DagsterInstance, params: Any) -> str | None:
    """The id of the backfill that was launched with these very parameters; None if none is known.

    Args:
        instance: where backfills are recorded.
        params: what `backfill_params` gave.
    """
    tags = {one["key"]: one["value"] for one in params["tags"] if one["key"] == LAUNCH_TAG}
    found = instance.get_backfills(filters=BulkActionsFilter(tags=tags), limit=1)
    return found[0].backfill_id if found else None


def silence_s(instance: dg.DagsterInstance, daemons: Collection[str]) -> float | None:
    """Seconds since the daemon that was silent for longest was heard; None if one never was."""
    beats = instance.get_daemon_heartbeats()
    if any(name not in beats for name in daemons):
        return None
    return max(time.time() - beats[name].timestamp for name in daemons)
