"""Benchmarks as assets: which samples are asked, which exemplars are shown."""

from pathlib import Path

import dagster as dg
import pandas as pd

from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES
from quarry.benchmarks.benchmark_set import draw_benchmark, to_frame
from quarry.keys import split_benchmark
from quarry.tables import content_digest
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource


def build_benchmark_samples(grid: Grid) -> dg.AssetsDefinition:
    """The asset of drawn samples, one partition a benchmark."""

    @BENCHMARK_SAMPLES.asset(partitions_def=grid.benchmarks)
    @permanent_failures()
    def benchmark_samples(
        context: dg.AssetExecutionContext,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        files: FilesResource,
    ) -> dg.Output[pd.DataFrame]:
        task, n_shot = split_benchmark(context.partition_key)
        entries = catalog.load()
        source = benchmarks.open(entries, files.open(), Path(catalog.path).parent)
        drawn = draw_benchmark(entries, task, n_shot, source)
        frame = to_frame(drawn)
        return dg.Output(
            frame,
            data_version=dg.DataVersion(content_digest(frame)),
            metadata={
                "samples": len(drawn.samples),
                "exemplars": len(drawn.exemplars),
                "first_prompt_input": dg.MetadataValue.md(f"```\n{drawn.samples[0].input}\n```"),
            },
        )

    return benchmark_samples
