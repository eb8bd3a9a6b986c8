"""Verification of the grid: a schedule that checks every cell, and a sensor that marks bad cells.

Dagster counts a partition as materialised even when a later check fails, and its backfill of
missing and failed partitions then skips it. The sensor closes that gap: it launches a `verify_only`
run of each such partition, which fails, so that the partition is failed everywhere. Such a run
reads the file and spends no GPU time.
"""

from collections.abc import Iterator

import dagster as dg

from assets.check_state import cells_to_mark, grid_state, partition_tags
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from assets.trajectory_checks import NAMES, ROLL_UP

VERIFY_ONLY = {"ops": {TRAJECTORIES.name: {"config": {"verify_only": True}}}}


def build_verification(
    grid: Grid,
) -> tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """The schedule and the sensor of verification."""
    asset_key = dg.AssetKey(TRAJECTORIES.name)
    check_keys = [dg.AssetCheckKey(asset_key, name) for name in NAMES]
    roll_up = dg.AssetCheckKey(asset_key, ROLL_UP)

    @dg.schedule(
        name="verify_every_cell",
        cron_schedule="0 4 * * 0",
        target=dg.AssetSelection.checks(*check_keys, roll_up),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs all integrity checks of every collected cell. Weekly when switched on; "
        "'Preview tick result' on its page launches it at once.",
    )
    def verify_every_cell(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        tick = context.scheduled_execution_time.isoformat()
        for partition in sorted(context.instance.get_materialized_partitions(asset_key)):
            yield dg.RunRequest(
                run_key=f"{partition}-{tick}",
                tags=partition_tags(partition),
                asset_selection=[],
                asset_check_keys=check_keys,
            )

    @dg.sensor(
        name="mark_damaged_cells",
        target=dg.AssetSelection.assets(asset_key),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns cells whose integrity checks failed into failed partitions, so that a "
        "backfill of missing and failed partitions takes them. Reads files; collects nothing.",
    )
    def mark_damaged_cells(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        cells = cells_to_mark(context.instance, TRAJECTORIES.name, NAMES, grid.cells)
        for partition, evidence in cells:
            yield dg.RunRequest(
                run_key=f"{partition}-{evidence}",
                partition_key=partition,
                run_config=VERIFY_ONLY,
                asset_selection=[asset_key],
                asset_check_keys=[],
            )

    @dg.sensor(
        name="roll_up_verdicts",
        target=dg.AssetSelection.checks(roll_up),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs the check all_partitions_intact whenever a cell's verdict has changed.",
    )
    def roll_up_verdicts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        state = grid_state(context.instance, TRAJECTORIES.name, NAMES, grid.cells)
        if state.fingerprint() == context.cursor:
            return dg.SensorResult(skip_reason="no verdict has changed")
        request = dg.RunRequest(asset_selection=[], asset_check_keys=[roll_up])
        return dg.SensorResult([request], cursor=state.fingerprint())

    return [verify_every_cell], [mark_damaged_cells, roll_up_verdicts]
