"""The check on drawn samples: no exemplar is graded, and none comes from the graded split."""

from collections.abc import Iterator

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES
from quarry.benchmarks.benchmark_set import from_frame
from quarry.benchmarks.exemplars import check_exemplars
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
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        directory = files.open()

        def examine(partition: str) -> CheckReport:
            drawn = from_frame(read_table(directory.path_of(BENCHMARK_SAMPLES.name, partition)))
            findings = check_exemplars(drawn.exemplars, drawn.samples)
            facts = {"samples": len(drawn.samples), "exemplars": len(drawn.exemplars)}
            return CheckReport(findings, facts, [EXEMPLARS_DISJOINT.name])

        yield from run_checks(context, BENCHMARK_SAMPLES.name, [EXEMPLARS_DISJOINT], examine)

    return [sample_draw]
