"""The job that collects many cells in one run, each model's engine being started once.

Each cell is published, recorded and checked as soon as it is done, as its asset's own run would
leave it. What is whole is passed over, so that a run that was killed goes on when it is started
again. What is due is said in `collecting_plan`.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from assets.collecting_plan import GridPlanner
from assets.collecting_work import Event, GridCollection, StoredFiles
from assets.partitions import Grid
from assets.specs import TRAJECTORIES
from resources.catalog import CatalogResource
from resources.engines import EngineResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.store import ObjectStoreResource

JOB, OP = "collect_grid", "collect"
DESCRIPTION = (
    "Collect many cells in one run: each model is loaded once for all of its cells. Labels and "
    "copies are left to the other jobs, so that no GPU waits for them."
)


class GridCollectionConfig(dg.Config):
    """`models` and `cells` narrow it down, all if empty; `again` collects what is whole, too."""

    models: list[str] = Field(default_factory=list[str])
    cells: list[str] = Field(default_factory=list[str])
    again: bool = False


def build_collect_job(grid: Grid) -> dg.JobDefinition:
    """The job of the whole grid; one run without a partition, which waits for the GPU."""

    @dg.op(
        name=OP,
        pool=TRAJECTORIES.pool,
        out=dg.Out(dg.Nothing),
        description="Collects every cell that is missing, failed or damaged, model by model; "
        "makes neither samples nor checkpoints. Started again after a kill, it goes on.",
    )
    def collect(
        context: dg.OpExecutionContext,
        config: GridCollectionConfig,
        catalog: CatalogResource,
        engines: EngineResource,
        files: FilesResource,
        store: ObjectStoreResource,
        parquet: dg.ResourceParam[StoredFiles],
        hdf5: dg.ResourceParam[StoredFiles],
    ) -> Iterator[Event | dg.Output]:
        with permanent_failures():
            entries, directory = catalog.load(), files.open()
            planner = GridPlanner(
                context.instance, entries, directory, grid,
                again=config.again, is_store_configured=store.is_configured, run_ids=_runs(context),
            )  # fmt: skip
            steps = planner.steps(config.cells, config.models)
        work = GridCollection(
            context, planner, parquet, hdf5, lambda model: engines.open(entries, model, directory)
        )
        yield from work.do(steps)
        work.raise_if_failed()
        yield dg.Output(None)

    @dg.job(name=JOB, description=DESCRIPTION)
    def collect_grid() -> None:
        collect()

    return collect_grid


def _runs(context: dg.OpExecutionContext) -> set[str]:
    """This run and those that it is a retry of: what they made is not made again."""
    group = context.instance.get_run_group(context.run_id)
    return {context.run_id, *(run.run_id for run in (group[1] if group else []))}
