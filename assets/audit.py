"""The audit as an asset: the table of the whole grid and what to do next."""

from typing import Any, Literal

import dagster as dg

from assets.check_state import grid_state
from assets.partitions import Grid
from assets.specs import COLLECTION_AUDIT, CORRECTNESS_LABELS, TRAJECTORIES
from assets.trajectory_checks import NAMES
from quarry.audit.files import AuditFiles, write_audit
from quarry.audit.overview import page, plan_page, sentence
from quarry.audit.report import Audit
from quarry.audit.survey import logged, survey
from quarry.keys import TrajectoryKey
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource

FROM_AUTOMATION = "dagster/from_automation_condition"


class AuditConfig(dg.Config):
    """How deep files are examined: `full` reads every byte, `light` only headers.

    `auto` is `full`, but in a run that automation asked for, which may be one an hour, cells whose
    checks have passed get a light look.
    """

    level: Literal["auto", "light", "structure", "full"] = "auto"


def build_collection_audit(grid: Grid) -> dg.AssetsDefinition:
    """The asset of the audit, unpartitioned."""
    upstream = [
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
        for name in (TRAJECTORIES.name, CORRECTNESS_LABELS.name)
    ]

    @COLLECTION_AUDIT.asset(deps=upstream)
    @permanent_failures()
    def collection_audit(
        context: dg.AssetExecutionContext,
        config: AuditConfig,
        catalog: CatalogResource,
        files: FilesResource,
    ) -> dg.MaterializeResult:
        directory = files.open()
        is_brief = config.level == "auto" and FROM_AUTOMATION in context.run.tags
        entries = catalog.load()
        audit = survey(
            entries,
            directory.root,
            level="full" if config.level == "auto" else config.level,
            proven=_proven(context.instance, grid) if is_brief else (),
            progress=logged(context.log.info, entries),
        )
        written = write_audit(audit, directory.audit)
        context.log.info("%s; published %s", sentence(audit), written.html)
        return dg.MaterializeResult(metadata=_metadata(audit, written))

    return collection_audit


def _proven(instance: dg.DagsterInstance, grid: Grid) -> set[TrajectoryKey]:
    """The cells that have passed every integrity check, or are being checked right now."""
    state = grid_state(instance, TRAJECTORIES.name, NAMES, grid.cells)
    materialised = instance.get_materialized_partitions(dg.AssetKey(TRAJECTORIES.name))
    sound = materialised - state.failed.keys() - state.unverified.keys()
    return {TrajectoryKey.from_partition(partition) for partition in sound}


def _metadata(audit: Audit, written: AuditFiles) -> dict[str, Any]:
    """The tables for the page, where the files are, and the counts as trends."""
    usable, cost = audit.usable, audit.plan_cost
    dollars = {"plan_dollars": cost.dollars.likely} if cost.dollars else {}
    return {
        "summary": sentence(audit),
        "plan": dg.MetadataValue.md(plan_page(audit)),
        "audit": dg.MetadataValue.md(page(audit)),
        "page": dg.MetadataValue.path(str(written.html)),
        "table": dg.MetadataValue.path(str(written.csv)),
        **{status.value.lower(): count for status, count in audit.counts.items()},
        "usable_for_h1": sum(len(entry.keys) for entry in usable.h1),
        "usable_for_h2": len(usable.h2),
        "too_few_rows": len(usable.too_few),
        "plan_gpu_hours": cost.gpu_hours.likely,
        "plan_wall_hours": cost.wall_hours.likely if cost.wall_hours else 0.0,
        "plan_basis": cost.basis if cost.n_cells else "nothing to collect",
        **dollars,
    }
