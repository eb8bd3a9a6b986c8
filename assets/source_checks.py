"""The check on drawn samples: no exemplar is graded, and none comes from the graded split."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from assets.partitioned_checks import CheckIdentity, check_results, check_specs
from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES
from quarry.benchmarks.benchmark_set import from_frame
from quarry.benchmarks.exemplars import check_exemplars
from quarry.data_directory import DataDirectory
from quarry.tables import read_table
from resources.files import FilesResource

EXEMPLARS_DISJOINT = CheckIdentity(
    "exemplars_disjoint",
    "No exemplar is among the graded samples, by id or by text, and none comes from their split.",
    is_blocking=True,
)


def build_source_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned check on drawn samples."""

    @dg.multi_asset_check(
        name="sample_draw",
        specs=check_specs(BENCHMARK_SAMPLES.name, (EXEMPLARS_DISJOINT,), grid.benchmarks),
    )
    def sample_draw(
        context: dg.AssetCheckExecutionContext, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult]:
        partition = context.op_execution_context.partition_key
        drawn = from_frame(_table(files.open(), partition))
        findings = check_exemplars(drawn.exemplars, drawn.samples)
        facts = {"samples": len(drawn.samples), "exemplars": len(drawn.exemplars)}
        yield from check_results(
            BENCHMARK_SAMPLES.name,
            [EXEMPLARS_DISJOINT],
            findings,
            facts,
            examined=[EXEMPLARS_DISJOINT.name],
        )

    return [sample_draw]


def _table(files: DataDirectory, partition: str) -> pd.DataFrame:
    """The stored draw of a benchmark."""
    return read_table(files.path_of(BENCHMARK_SAMPLES.name, partition))
