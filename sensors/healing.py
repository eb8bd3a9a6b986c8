"""The sensor that heals: turns failed checks and missing files into the cheapest sound action.

What is due is decided in `quarry.healing`; what is known of the cells is read in `health`, what was
tried before in `attempts`. Here a plan becomes runs, each tagged with what it is to do.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.check_state import partition_tags
from assets.heal_outcome import (
    ACTION_TAG,
    ATTEMPT_TAG,
    BYTES_TAG,
    GPU_HOURS_TAG,
    PURPOSE,
)
from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES, REMOTE_TRAJECTORIES
from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.healing.health import Action, CellHealth
from quarry.healing.plan import HealPlan, HealStep, Waiting
from quarry.healing.policy import plan_healing
from resources.catalog import CatalogResource
from resources.files import FilesResource
from resources.store import ObjectStoreResource
from sensors.attempts import attempts
from sensors.automation import is_collecting
from sensors.health import GridHealth, grid_health
from sensors.jobs import COLLECT, COPY, RESTORE, VERIFY

NAME = "heal_cells"
JOBS: dict[Action, str] = {"restore": RESTORE, "upload": COPY, "recollect": COLLECT}
"""The job that does each action."""
AGAIN = {"ops": {REMOTE_TRAJECTORIES.name: {"config": {"again": True}}}}
"""Run config that stores a copy although the store claims to have it."""

_DESCRIPTION = (
    "Runs the checks of cells that no check has looked at. Finds cells whose file is damaged or "
    "missing here, or without a sound second copy, and launches the cheapest sound action: restore "
    "damaged ranges or the file from the copy; upload the copy again; else collect what is lost. "
    "Keeps to the budgets under heal in the catalog, waits longer after each failure, and stops "
    "for a cell that fails too often. 'Preview tick result' explains what it would do. Off unless "
    "QUARRY_AUTOMATION=on, or switched on here."
)


def build_healing_sensor(
    grid: Grid, jobs: Sequence[dg.JobDefinition | UnresolvedAssetJobDefinition], *, is_on: bool
) -> dg.SensorDefinition:
    """The sensor of a grid with a store.

    Args:
        grid: the partitions.
        jobs: all jobs; those that `JOBS` names are launched.
        is_on: whether it runs unless somebody switches it off.
    """

    @dg.sensor(
        name=NAME,
        jobs=[job for job in jobs if job.name in {*JOBS.values(), VERIFY}],
        minimum_interval_seconds=30,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
        ),
        description=_DESCRIPTION,
    )
    def heal_cells(
        context: dg.SensorEvaluationContext,
        catalog: CatalogResource,
        files: FilesResource,
        store: ObjectStoreResource,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        plan, health = heal_plan(
            context.instance, grid, catalog.load(), files.open(), store, is_automated=is_on
        )
        explanation = "\n".join([plan.explanation(), *health.remarks()])
        context.log.info(explanation)
        checks = [_checks_of(cell) for cell in health.unverified()]
        if not plan.steps and not checks:
            return dg.SkipReason(explanation)
        return checks + [
            dg.RunRequest(
                job_name=JOBS[step.action],
                partition_key=step.key.partition,
                run_config=config_of(step),
                tags=tags_of(step),
            )
            for step in plan.steps
        ]

    return heal_cells


def heal_plan(
    instance: dg.DagsterInstance,
    grid: Grid,
    catalog: Catalog,
    directory: DataDirectory,
    store: ObjectStoreResource,
    *,
    is_automated: bool,
) -> tuple[HealPlan, GridHealth]:
    """What is due now, and what it was decided from.

    Cells that were never collected are left to the automation that collects them, while it runs.
    """
    now = datetime.now(UTC)
    is_left = is_collecting(instance, is_on=is_automated)
    health = grid_health(instance, grid, catalog, directory, store, takes_uncollected=not is_left)
    plan = plan_healing(health.cells, attempts(instance, now), catalog.heal, now)
    return _without_unready(plan, catalog, directory), health


def _without_unready(plan: HealPlan, catalog: Catalog, directory: DataDirectory) -> HealPlan:
    """A plan whose collections have what they need; each would fail at once, and count as tried."""
    lacking = {step.key: _lacking(step, catalog, directory) for step in plan.steps}
    late = [
        Waiting(step.key, step.action, why, None)
        for step in plan.steps
        if (why := lacking[step.key])
    ]
    return replace(
        plan,
        steps=tuple(step for step in plan.steps if not lacking[step.key]),
        waiting=tuple(sorted([*plan.waiting, *late], key=lambda one: one.key.partition)),
    )


def _lacking(step: HealStep, catalog: Catalog, directory: DataDirectory) -> str:
    """What a collection lacks; empty if nothing."""
    key = step.key
    if step.action != "recollect":
        return ""
    if not directory.path_of(BENCHMARK_SAMPLES.name, key.benchmark).exists():
        return f"the samples of {key.benchmark} have not been drawn"
    is_trained_here = catalog.model(key.model).recipe is not None
    if is_trained_here and not directory.checkpoint(key.model).exists():
        return f"the toy model {key.model} has not been trained"
    return ""


def _checks_of(cell: CellHealth) -> dg.RunRequest:
    """A run of a cell's integrity checks, once for each time that its file came to be there."""
    return dg.RunRequest(
        run_key=f"verify-{cell.key.partition}-{cell.last_good_at}",
        job_name=VERIFY,
        tags=partition_tags(cell.key.partition),
    )


def tags_of(step: HealStep) -> dict[str, str]:
    """The tags of a step's run, by which it is remembered."""
    return {
        **PURPOSE,
        ACTION_TAG: step.action,
        ATTEMPT_TAG: str(step.attempt),
        BYTES_TAG: str(step.size_bytes),
        GPU_HOURS_TAG: f"{step.gpu_hours:g}",
    }


def config_of(step: HealStep) -> dict[str, object]:
    """The run config of a step: a copy that proved wrong is stored anew, whatever it claims."""
    return dict(AGAIN) if step.action == "upload" and step.is_copy_refuted else {}
