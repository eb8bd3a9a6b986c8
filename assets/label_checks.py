"""Checks on labels: balanced, graded, and made by a grader that knows the right answers."""

from collections.abc import Iterator

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import CORRECTNESS_LABELS
from quarry.benchmarks.benchmark_set import from_frame
from quarry.keys import TrajectoryKey, samples_path
from quarry.labelling import examine_labels
from quarry.tables import read_table
from resources.catalog import CatalogResource
from resources.files import FilesResource
from resources.graders import GraderResource

LABEL_CHECKS = (
    CheckIdentity(
        "class_balance",
        "Between 5 % and 95 % of the samples are correct; outside, H1 and H2 analyses have too "
        "few of one class. A warning: a weak model is no defect.",
    ),
    CheckIdentity(
        "graded_share",
        "Nearly every sample got a verdict on its completion: few timeouts and grader errors.",
    ),
    CheckIdentity(
        "agrees_with_references",
        "The grader accepts the gold answers of these samples and refuses wrong ones.",
    ),
)


def build_label_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks on labels."""

    @dg.multi_asset_check(
        name="label_quality",
        specs=check_specs(CORRECTNESS_LABELS.name, LABEL_CHECKS, grid.cells),
        can_subset=True,
    )
    def label_quality(
        context: dg.AssetCheckExecutionContext,
        catalog: CatalogResource,
        files: FilesResource,
        graders: GraderResource,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        entries, directory, limits = catalog.load(), files.open(), graders.limits()

        def examine(partition: str) -> CheckReport:
            key = TrajectoryKey.from_partition(partition)
            drawn = from_frame(read_table(directory.root / samples_path(key.task, key.n_shot)))
            labels = read_table(directory.labels(key))
            report = examine_labels(labels, drawn, entries.thresholds, limits)
            return CheckReport(report.findings, report.facts, report.checks_run)

        yield from run_checks(context, CORRECTNESS_LABELS.name, LABEL_CHECKS, examine)

    return [label_quality]
