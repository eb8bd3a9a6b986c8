"""The schedules that look at the object store: its listing every day, every copy once a week."""

import dagster as dg

from assets.check_state import partition_tags
from assets.specs import REMOTE_TRAJECTORIES
from assets.sweeping import JOB as SWEEP
from sensors.jobs import INVENTORY, VERIFY_COPIES

ASSET_KEY = dg.AssetKey(REMOTE_TRAJECTORIES.name)


def build_store_schedules(*, is_on: bool) -> list[dg.ScheduleDefinition]:
    """The schedules of a deployment with an object store.

    Args:
        is_on: whether they run unless somebody switches them off.
    """
    status = dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED
    return [_inventory_daily(status), _verify_every_copy(status)]


def build_sweep_schedule(*, is_on: bool) -> dg.ScheduleDefinition:
    """The schedule that removes leftovers, here and in the store.

    Args:
        is_on: whether it runs unless somebody switches it off.
    """
    return dg.ScheduleDefinition(
        name="sweep_daily",
        job_name=SWEEP,
        cron_schedule="30 2 * * *",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED
        ),
        description="Removes replaced files that were kept aside long enough, uploads that were "
        "begun and never finished, and what dead processes left. Never the only one of a version.",
    )


def _inventory_daily(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The listing."""
    return dg.ScheduleDefinition(
        name="inventory_daily",
        job_name=INVENTORY,
        cron_schedule="0 2 * * *",
        default_status=status,
        description="Compares the object store's listing with the grid and with the record of what "
        "was sent. Reads names and digests; moves no file.",
    )


def _verify_every_copy(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The cheap check of every copy."""

    @dg.schedule(
        name="verify_every_copy",
        job_name=VERIFY_COPIES,
        cron_schedule="0 5 * * 0",
        default_status=status,
        description="Checks every second copy, 2 KiB each. Weekly when it is on; with the config "
        "`level: full` of the job `verify_copies` every byte is fetched and proven.",
    )
    def verify_every_copy(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        tick = context.scheduled_execution_time.isoformat()
        copied = context.instance.get_materialized_partitions(ASSET_KEY)
        return [
            dg.RunRequest(run_key=f"{partition}-{tick}", tags=partition_tags(partition))
            for partition in sorted(copied)
        ]

    return verify_every_copy
