"""Backfills of plans: which partitions of which assets they hold, and how they stand.

Launching is the web server's business, through its GraphQL interface: see `commands`. That none of
these assets has a backfill policy is what gives each cell a run, and its checks a partition.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG

from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from quarry.keys import TrajectoryKey
from quarry.planning.known import Action
from quarry.planning.plan import BackfillPlan
from sensors.known_grid import MADE_BY
from sensors.outcome import Outcome, reason_of_run

PLAN_TAG = "quarry/plan"
"""On a backfill and its runs: what is done, and for which troubles."""
_OVERLAP = timedelta(seconds=5)
"""Runs are asked for again that far back, since clocks and transactions are not exact."""


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
        "tags": [{"key": PLAN_TAG, "value": f"{action}: {kinds}"}],
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


@dataclass(frozen=True)
class Standing:
    """How backfills stand.

    Args:
        ended: cells whose run has ended since the last look, or all that is known of the others
            once it is over.
        n_done: cells that are made.
        n_failed: cells whose last run failed.
        n_running: cells with a run that has not ended.
        n_left: cells without a run.
        is_over: whether nothing will be done any more.
    """

    ended: tuple[tuple[Outcome, float], ...]
    n_done: int
    n_failed: int
    n_running: int
    n_left: int
    is_over: bool


class BackfillWatch:
    """Follows backfills in the instance, so that a web server that ends does not matter.

    Args:
        instance: where they are recorded.
        backfill_ids: the backfills.
        cells: partition keys of all their cells.
    """

    def __init__(
        self, instance: dg.DagsterInstance, backfill_ids: Sequence[str], cells: Collection[str]
    ) -> None:
        """Nothing is read yet."""
        self._instance, self._ids = instance, list(backfill_ids)
        self._cells = dict.fromkeys(cells)
        self._latest: dict[str, dg.RunRecord] = {}
        self._told: set[str] = set()
        self._other: list[Outcome] = []
        self._seen_until: datetime | None = None

    def look(self) -> Standing:
        """How they stand now."""
        is_over = all(map(self._is_over, self._ids))  # before the runs: none comes after it
        ended = list(self._ended())
        if is_over:
            ended += [(one, 0.0) for one in self._unstarted()]
        runs = [run.dagster_run for cell in self._cells if (run := self._latest.get(cell))]
        n_done = sum(run.is_success for run in runs)
        n_failed = sum(run.is_finished and not run.is_success for run in runs)
        n_running = len(runs) - n_done - n_failed
        n_left = len(self._cells) - len(runs)
        if is_over:
            n_failed, n_left = n_failed + n_left, 0
        return Standing(tuple(ended), n_done, n_failed, n_running, n_left, is_over)

    def failures(self) -> list[Outcome]:
        """The cells that are not made, with the reason, once it is over."""
        failed = [
            self._outcome(cell, record)
            for cell in self._cells
            if (record := self._latest.get(cell)) and not record.dagster_run.is_success
        ]
        return [*self._other, *failed, *self._unstarted()]

    def _is_over(self, backfill_id: str) -> bool:
        """Whether a backfill does nothing more; one that was deleted doesn't."""
        backfill = self._instance.get_backfill(backfill_id)
        return backfill is None or backfill.status in BULK_ACTION_TERMINAL_STATUSES

    def _ended(self) -> Iterator[tuple[Outcome, float]]:
        """Runs that have ended since the last look, with their seconds."""
        since = self._seen_until - _OVERLAP if self._seen_until else None
        wanted = dg.RunsFilter(tags={BACKFILL_ID_TAG: self._ids}, updated_after=since)
        records = self._instance.get_run_records(wanted)
        self._seen_until = max((one.update_timestamp for one in records), default=self._seen_until)
        for record in sorted(records, key=lambda one: one.create_timestamp):
            run = record.dagster_run
            partition = run.tags.get(PARTITION_NAME_TAG, "")
            if partition in self._cells:
                self._latest[partition] = record
            if run.is_finished and run.run_id not in self._told:
                self._told.add(run.run_id)
                outcome = self._outcome(partition, record)
                if partition not in self._cells and not outcome.is_success:
                    self._other.append(outcome)
                yield outcome, (record.end_time or 0.0) - (record.start_time or 0.0)

    def _outcome(self, partition: str, record: dg.RunRecord) -> Outcome:
        """How a run ended."""
        run = record.dagster_run
        reason = "" if run.is_success else reason_of_run(self._instance, run.run_id)
        return Outcome(partition, run.is_success, reason or run.status.value.lower(), run.run_id)

    def _unstarted(self) -> Iterator[Outcome]:
        """Cells that never had a run."""
        reason = f"not started: {TRAJECTORIES.name} needs what has failed, or it was cancelled"
        for cell in self._cells:
            if cell not in self._latest:
                yield Outcome(cell, False, reason, "")


def silence_s(instance: dg.DagsterInstance, daemons: Collection[str]) -> float | None:
    """Seconds since the daemon that was silent for longest was heard; None if one never was."""
    beats = instance.get_daemon_heartbeats()
    if any(name not in beats for name in daemons):
        return None
    return max(time.time() - beats[name].timestamp for name in daemons)
