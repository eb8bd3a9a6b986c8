"""The schedule that verifies a part of the grid in full every night, until every cell came round.

Which cells is chosen in `quarry.scrub`. The instance remembers the rest: when a cell's check last
ran, and, in the tags of the runs of the latest scrub, what it left of its budget.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.check_state import partition_tags, proofs
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from quarry.catalog import ScrubSettings
from quarry.data_directory import DataDirectory
from quarry.scrub import Account, Budget, ScrubItem, ScrubPlan, choose
from quarry.trajectory.report import CHUNKS_INTACT
from sensors.jobs import VERIFY

NAME = "scrub_daily"
DAY_TAG = "quarry/scrub_day"
LEFT_TAG = "quarry/scrub_left_bytes"
LAST_TAG = "quarry/scrub_last_verified"
SCRUB = {"quarry/purpose": "scrub"}
"""Marks every run of a scrub."""

_PATIENCE = timedelta(days=2)
"""A run that has not ended after this long is taken for lost, and its cell's turn comes again."""


def build_scrub_schedule(settings: ScrubSettings, grid: Grid) -> dg.ScheduleDefinition:
    """The daily scrub of a grid."""

    @dg.schedule(
        name=NAME,
        cron_schedule=settings.cron,
        job_name=VERIFY,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"files"},
        description=_description(settings),
        metadata=settings.model_dump(),
    )
    def scrub_daily(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now, directory = context.scheduled_execution_time, context.resources.files.open()
        plan = choose(
            _items(context.instance, grid, directory, now),
            Budget.parse(settings.budget),
            settings.period_days,
            now,
            account=_account(context.instance),
            must_cover=settings.must_cover,
        )
        context.log.info(plan.explanation())
        if not plan.chosen:
            return dg.SkipReason(plan.explanation())
        return _requests(plan)

    return scrub_daily


def _description(settings: ScrubSettings) -> str:
    """What the schedule does, with its figures."""
    first = "the period goes before the budget" if settings.must_cover else "never beyond it"
    return (
        f"Verifies a part of the collected cells in full, {settings.budget} a day, so that every "
        f"cell is verified within {settings.period_days} days; {first}. Reads files; changes and "
        "collects nothing. The log of a tick says what was chosen and why, the tags of a run when "
        "its cell was last verified."
    )


def _requests(plan: ScrubPlan) -> list[dg.RunRequest]:
    """One check-only run a cell; a tick that is evaluated twice asks for the same keys."""
    left_bytes = plan.account(plan.size_bytes).left_bytes
    return [
        dg.RunRequest(
            run_key=f"{NAME}-{plan.day}-{item.name}",
            tags={
                **partition_tags(item.name),
                **SCRUB,
                DAY_TAG: plan.day.isoformat(),
                LEFT_TAG: str(left_bytes),
                LAST_TAG: f"{item.last_verified:%Y-%m-%d}" if item.last_verified else "never",
            },
        )
        for item in plan.chosen
    ]


def _items(
    instance: dg.DagsterInstance, grid: Grid, directory: DataDirectory, now: datetime
) -> list[ScrubItem]:
    """The collected cells that no scrub is examining now."""
    busy = _busy(instance, now)
    known = proofs(instance, TRAJECTORIES.name, CHUNKS_INTACT, grid.cells)
    return [
        ScrubItem(
            partition,
            _size_bytes(directory.path_of(TRAJECTORIES.name, partition)),
            proof.checked_at,
            proof.materialized_at,
        )
        for partition, proof in sorted(known.items())
        if partition not in busy
    ]


def _size_bytes(path: Path) -> int:
    """The size of a file; 0 for one that has vanished, whose check then says so."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _busy(instance: dg.DagsterInstance, now: datetime) -> set[str]:
    """Cells of which a scrub's run has not ended."""
    runs = _scrubs(instance, created_after=now - _PATIENCE)
    return {run.tags["dagster/partition"] for run in runs if not run.is_finished}


def _account(instance: dg.DagsterInstance) -> Account | None:
    """What the latest scrub left of its budget."""
    for run in _scrubs(instance, limit=1):
        return Account(date.fromisoformat(run.tags[DAY_TAG]), int(run.tags[LEFT_TAG]))
    return None


def _scrubs(
    instance: dg.DagsterInstance,
    *,
    created_after: datetime | None = None,
    limit: int | None = None,
) -> Sequence[dg.DagsterRun]:
    """Runs of scrubs, latest first."""
    return instance.get_runs(dg.RunsFilter(tags=SCRUB, created_after=created_after), limit=limit)
