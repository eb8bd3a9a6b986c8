"""The audit as an asset: the table of the whole grid and what to do next."""

from typing import Literal

import dagster as dg

from assets.specs import COLLECTION_AUDIT, CORRECTNESS_LABELS, TRAJECTORIES
from quarry.audit.files import write_audit
from quarry.audit.survey import survey
from quarry.audit.tables import markdown
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource


class AuditConfig(dg.Config):
    """How deep files are examined: `full` reads every byte, `light` only headers."""

    level: Literal["light", "structure", "full"] = "full"


def build_collection_audit() -> dg.AssetsDefinition:
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
        audit = survey(catalog.load(), directory.root, level=config.level)
        written = write_audit(audit, directory.audit)
        context.log.info(markdown(audit))
        return dg.MaterializeResult(
            metadata={
                "audit": dg.MetadataValue.md(markdown(audit)),
                "page": dg.MetadataValue.path(str(written.html)),
                "table": dg.MetadataValue.path(str(written.csv)),
                **{status.value.lower(): count for status, count in audit.counts.items()},
            }
        )

    return collection_audit
