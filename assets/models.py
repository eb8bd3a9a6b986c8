"""Models as assets: toy ones are trained here, others are external."""

from pathlib import Path

import dagster as dg

from assets.partitions import Grid
from assets.specs import MODEL_CHECKPOINTS
from quarry.catalog import Catalog
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource


def build_model_checkpoints(catalog: Catalog, grid: Grid) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of checkpoints: materialisable when the catalog has recipes, else external."""
    if trains_models(catalog):
        return _trained(grid)
    return dg.AssetSpec(
        MODEL_CHECKPOINTS.name,
        group_name=MODEL_CHECKPOINTS.group,
        description=MODEL_CHECKPOINTS.description,
        kinds=set(MODEL_CHECKPOINTS.kinds),
        tags=MODEL_CHECKPOINTS.tags,
        partitions_def=grid.models,
    )


def trains_models(catalog: Catalog) -> bool:
    """Whether the catalog has a model with a recipe, which is trained here."""
    return any(model.recipe is not None for model in catalog.models.values())


def _trained(grid: Grid) -> dg.AssetsDefinition:
    """The asset that trains toy models."""

    @MODEL_CHECKPOINTS.asset(partitions_def=grid.models)
    @permanent_failures()
    def model_checkpoints(
        context: dg.AssetExecutionContext,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        files: FilesResource,
    ) -> dg.MaterializeResult:
        from quarry.toy.checkpoints import ensure_checkpoint  # torch loads with the step

        entries = catalog.load()
        source = benchmarks.open(entries, files.open(), Path(catalog.path).parent)
        checkpoint = ensure_checkpoint(
            entries, context.partition_key, files.open(), source, log=context.log.info
        )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(checkpoint.digest),
            metadata={"path": dg.MetadataValue.path(str(checkpoint.path)), **checkpoint.facts},
        )

    return model_checkpoints
