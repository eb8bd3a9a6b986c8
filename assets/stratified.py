"""Stratified datasets: so many problems of each stratum that need the chain of thought."""

from pathlib import Path

import dagster as dg
import pandas as pd

from assets.partitions import ReasoningPartitions
from assets.reasoning_metadata import dataset_metadata
from assets.specs import NECESSITY_RESULTS, STRATIFIED_DATASET
from quarry.catalog_reasoning import ReasoningSpec
from quarry.selection.targets import choose_dataset
from quarry.tables import content_digest
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource


def build_stratified_dataset(
    spec: ReasoningSpec, partitions: ReasoningPartitions
) -> dg.AssetsDefinition:
    """The asset of stratified datasets, one partition a target of the catalog."""

    @STRATIFIED_DATASET.asset(
        partitions_def=partitions.targets,
        ins={NECESSITY_RESULTS.name: dg.AssetIn(partition_mapping=results_to_targets(spec))},
    )
    @permanent_failures()
    def stratified_dataset(
        context: dg.AssetExecutionContext,
        necessity_results: pd.DataFrame,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        files: FilesResource,
    ) -> dg.Output[pd.DataFrame]:
        entries, base_dir = catalog.load(), Path(catalog.path).parent
        source = benchmarks.open(entries, files.open(), base_dir)
        chosen = choose_dataset(entries, context.partition_key, necessity_results, source, base_dir)
        return dg.Output(
            chosen.rows,
            data_version=dg.DataVersion(content_digest(chosen.rows)),
            metadata=dataset_metadata(context.partition_key, chosen),
        )

    return stratified_dataset


def results_to_targets(spec: ReasoningSpec) -> dg.StaticPartitionMapping:
    """Each model's results to the datasets that are chosen from them."""
    targets_of: dict[str, set[str]] = {}
    for name, target in spec.targets.items():
        targets_of.setdefault(target.of, set()).add(name)
    return dg.StaticPartitionMapping(targets_of)
