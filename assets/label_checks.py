"""Checks on labels: balanced, graded, by a grader that knows the right answers, and up to date.

Whether labels are current is cheap to say and a step of its own; the others grade gold answers.
"""

from collections.abc import Iterator

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import CORRECTNESS_LABELS
from quarry.catalog import Thresholds
from quarry.data_directory import DataDirectory
from quarry.grading.grader import GRADER_VERSIONS
from quarry.keys import TrajectoryKey
from quarry.label_currency import LABELS_CURRENT
from quarry.labelling import examine_labels
from quarry.relabelling import benchmark_of, currency_findings
from quarry.sandbox.limits import Limits
from quarry.tables import read_table
from resources.catalog import CatalogResource
from resources.files import FilesResource
from resources.graders import GraderResource

LABEL_CHECKS = (
    CheckIdentity(
        "class_balance",
        "Between 5 % and 95 % of the graded samples are correct; outside, H1 and H2 analyses have "
        "too few of one class. With few samples the 95 % interval decides and not the share; what "
        "it leaves open is said under `balance_state`. A warning: a weak model is no defect.",
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
CURRENT = CheckIdentity(
    LABELS_CURRENT,
    "The labels belong to what the trajectory file holds now, to the samples that are drawn now "
    "and to the present grader. Stale means that one of these has changed, never that time has "
    "passed. Labels of an older grader are a warning; of another content or of other samples, an "
    "error. Cure: materialise the labels again; activations are not touched.",
)


def build_label_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks on labels."""
    return [_label_quality(grid), _label_currency(grid)]


def _label_quality(grid: Grid) -> dg.AssetChecksDefinition:
    """Checks of what the labels say."""

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
            return examined_quality(directory, key, entries.thresholds, limits)

        yield from run_checks(context, CORRECTNESS_LABELS.name, LABEL_CHECKS, examine)

    return label_quality


def _label_currency(grid: Grid) -> dg.AssetChecksDefinition:
    """The check of what the labels were made from."""

    @dg.multi_asset_check(
        name="label_currency", specs=check_specs(CORRECTNESS_LABELS.name, (CURRENT,), grid.cells)
    )
    def label_currency(
        context: dg.AssetCheckExecutionContext, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        directory = files.open()

        def examine(partition: str) -> CheckReport:
            return examined_currency(directory, TrajectoryKey.from_partition(partition))

        yield from run_checks(context, CORRECTNESS_LABELS.name, [CURRENT], examine)

    return label_currency


def examined_quality(
    directory: DataDirectory, key: TrajectoryKey, thresholds: Thresholds, limits: Limits
) -> CheckReport:
    """What the checks of quality find in a cell's published labels."""
    labels = read_table(directory.labels(key))
    report = examine_labels(labels, benchmark_of(directory, key), thresholds, limits)
    return CheckReport(report.findings, report.facts, report.checks_run)


def examined_currency(directory: DataDirectory, key: TrajectoryKey) -> CheckReport:
    """What the check of currency finds."""
    facts = {"grader_version": GRADER_VERSIONS[benchmark_of(directory, key).format]}
    return CheckReport(currency_findings(directory, key), facts, [LABELS_CURRENT])
