"""Verification of the grid: a schedule that checks every cell, and a sensor that marks bad cells.

Dagster counts a partition as materialised even when a later check fails, and its backfill of
missing and failed partitions then skips it. The sensor closes that gap: it launches a `verify_only`
run of each such partition, which fails, so that the partition is failed everywhere. Such a run
reads the file and spends no GPU time.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.check_state import cells_to_mark, grid_state, partition_tags
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from assets.trajectory_checks import NAMES, ROLL_UP
from sensors.jobs import VERIFY_ONLY

ASSET_KEY = dg.AssetKey(TRAJECTORIES.name)
MARKING = {"quarry/purpose": "mark"}
"""Marks the runs that only record a failure; who mends a cell need not wait for them."""
CHECK_KEYS = [dg.AssetCheckKey(ASSET_KEY, name) for name in NAMES]
ROLL_UP_KEY = dg.AssetCheckKey(ASSET_KEY, ROLL_UP)


def build_schedules() -> list[dg.ScheduleDefinition]:
    """The schedule that verifies every cell."""

    @dg.schedule(
        name="verify_every_cell",
        cron_schedule="0 4 * * 0",
        target=dg.AssetSelection.checks(*CHECK_KEYS, ROLL_UP_KEY),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs all integrity checks of every collected cell. Weekly when switched on; "
        "'Preview tick result' on its page launches it at once.",
    )
    def verify_every_cell(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        tick = context.scheduled_execution_time.isoformat()
        for partition in sorted(context.instance.get_materialized_partitions(ASSET_KEY)):
            yield dg.RunRequest(
                run_key=f"{partition}-{tick}",
                tags=partition_tags(partition),
                asset_selection=[],
                asset_check_keys=CHECK_KEYS,
            )

    return [verify_every_cell]


def build_sensors(grid: Grid) -> list[dg.SensorDefinition]:
    """The sensors that act on verdicts; neither collects anything."""
    return [_mark_damaged_cells(grid), _roll_up_verdicts(grid)]


def _mark_damaged_cells(grid: Grid) -> dg.SensorDefinition:
    """Failed checks become failed partitions."""

    @dg.sensor(
        name="mark_damaged_cells",
        target=dg.AssetSelection.assets(ASSET_KEY),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns cells whose integrity checks failed into failed partitions, so that a "
        "backfill of missing and failed partitions takes them: its runs fail, with the finding and "
        "its cure in the log, and that is their purpose. Reads files; collects nothing.",
    )
    def mark_damaged_cells(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        cells = cells_to_mark(context.instance, TRAJECTORIES.name, NAMES, grid.cells)
        if not cells:
            yield dg.SkipReason("no failed check of a cell that is not marked already")
        for partition, evidence in cells:
            yield dg.RunRequest(
                run_key=f"{partition}-{evidence}",
                partition_key=partition,
                run_config=VERIFY_ONLY,
                tags=MARKING,
                asset_selection=[ASSET_KEY],
                asset_check_keys=[],
            )

    return mark_damaged_cells


def _roll_up_verdicts(grid: Grid) -> dg.SensorDefinition:
    """Changed verdicts are rolled up."""

    @dg.sensor(
        name="roll_up_verdicts",
        target=dg.AssetSelection.checks(ROLL_UP_KEY),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs the check all_partitions_intact whenever a cell's verdict has changed, "
        "and once more when nothing is being collected any longer.",
    )
    def roll_up_verdicts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        state = grid_state(context.instance, TRAJECTORIES.name, NAMES, grid.cells)
        before = context.cursor or ""
        cursor = f"{state.fingerprint()} {_made(context.instance, grid, before)}"
        if cursor == before:
            return dg.SensorResult(skip_reason="no verdict has changed")
        request = dg.RunRequest(asset_selection=[], asset_check_keys=[ROLL_UP_KEY])
        return dg.SensorResult([request], cursor=cursor)

    return roll_up_verdicts


def _made(instance: dg.DagsterInstance, grid: Grid, before: str) -> str:
    """The latest materialisation; while cells are being made, the one that was rolled up before.

    Cells whose checks still run count neither as failed nor as unverified. So a grid under repair
    looks like one that is whole, and what is rolled up then is out of date with the next cell: the
    UI calls it "Not evaluated" until the check runs again.
    """
    keys = [str(key) for key in grid.cells.get_partition_keys()]
    statuses = instance.get_status_by_partition(ASSET_KEY, keys, grid.cells) or {}
    if AssetPartitionStatus.IN_PROGRESS in statuses.values():
        return before.partition(" ")[2]
    records = instance.get_asset_records([ASSET_KEY])
    return str(records[0].asset_entry.last_materialization_storage_id if records else "")
