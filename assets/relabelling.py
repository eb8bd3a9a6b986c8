"""The job that labels the whole grid again in one run, cell by cell, from the stored outputs.

Each cell is published and recorded as soon as it is done, as its assets' own runs would leave it;
what is current is left alone, so that a run that was killed goes on when it is started again. What
is due is said in `relabelling_plan`.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from assets.partitions import Grid
from assets.relabelling_plan import plan_cells
from assets.relabelling_work import Event, GridRelabelling
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.graders import GraderResource
from resources.store import ObjectStoreResource

JOB, OP = "relabel_grid", "relabel"


class RelabelConfig(dg.Config):
    """`cells` names partitions, all if empty; `every` grades again what is current, too."""

    cells: list[str] = Field(default_factory=list[str])
    every: bool = False


def build_relabel_job(grid: Grid) -> dg.JobDefinition:
    """The job of the whole grid; one run without a partition."""

    @dg.op(
        name=OP,
        out=dg.Out(dg.Nothing),
        description="Grades the stored outputs of every cell whose labels are missing or out of "
        "date; activations are not touched. Started again after a kill, it goes on.",
    )
    def relabel(
        context: dg.OpExecutionContext,
        config: RelabelConfig,
        catalog: CatalogResource,
        files: FilesResource,
        graders: GraderResource,
        store: ObjectStoreResource,
    ) -> Iterator[Event | dg.Output]:
        directory, place = files.open(), store if store.is_configured else None
        with permanent_failures():
            plans = plan_cells(
                context.instance, directory, grid, config.cells,
                every=config.every, has_store=place is not None,
            )  # fmt: skip
            limits, thresholds = graders.limits(), catalog.load().thresholds
        work = GridRelabelling(context, directory, thresholds, limits, place)
        yield from work.do(plans)
        work.raise_if_failed()
        yield dg.Output(None)

    @dg.job(
        name=JOB,
        description="Grade the stored outputs of the whole grid again, in one run; cells whose "
        "labels are current are passed over.",
    )
    def relabel_grid() -> None:
        relabel()

    return relabel_grid
