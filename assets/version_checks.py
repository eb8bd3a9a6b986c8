"""Checks that stand for freshness where age says nothing: made by the code as it is now?

Samples and models never change by themselves, and making them again has consequences downstream,
so nothing does it unasked. These checks, beside the mark "Unsynced" of the UI, say where it is due.
"""

from collections.abc import Iterator

import dagster as dg

from assets.identity import AssetIdentity
from assets.materialization_tags import CODE_VERSION_TAG, latest_tags
from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import Grid
from assets.specs import BENCHMARK_SAMPLES, MODEL_CHECKPOINTS
from quarry.findings import Finding

SAMPLES_CURRENT = CheckIdentity(
    "samples_current",
    "The samples were drawn by the present version of the draw. A warning: what was collected on "
    "them stays valid; drawing again may mean to collect again.",
)
CHECKPOINT_CURRENT = CheckIdentity(
    "checkpoint_current",
    "The model was trained by the present version of its training. A warning: what was collected "
    "with it stays valid; training again means to collect again.",
)


def build_version_checks(grid: Grid, *, trains_models: bool) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks of versions.

    Args:
        grid: the partitions.
        trains_models: whether checkpoints are made here; a model from elsewhere has the revision
            that the catalog names, and no version of our code.
    """
    checks = [version_check_of(BENCHMARK_SAMPLES, SAMPLES_CURRENT, grid.benchmarks)]
    if trains_models:
        checks.append(version_check_of(MODEL_CHECKPOINTS, CHECKPOINT_CURRENT, grid.models))
    return checks


def version_check_of(
    identity: AssetIdentity, check: CheckIdentity, partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    """The check of one asset: whether its partitions were made by the present code."""

    @dg.multi_asset_check(
        name=f"{identity.name}_version", specs=check_specs(identity.name, (check,), partitions)
    )
    def version_check(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        def examine(partition: str) -> CheckReport:
            tags = latest_tags(context.instance, identity.name, partition)
            made_by = tags.get(CODE_VERSION_TAG)
            is_current = made_by == identity.code_version
            findings = [] if is_current else [_outdated(identity, check, partition, made_by)]
            return CheckReport(findings, {"code_version": identity.code_version}, [check.name])

        yield from run_checks(context, identity.name, [check], examine)

    return version_check


def _outdated(
    identity: AssetIdentity, check: CheckIdentity, partition: str, made_by: str | None
) -> Finding:
    """What to know before it is made again."""
    return Finding(
        check=check.name,
        kind="another_version",
        what="It was made by another version of the code",
        where=f"{identity.name}, partition {partition}",
        expected=f"code version {identity.code_version}",
        got=f"code version {made_by}" if made_by else "none recorded",
        cure="materialise this partition again when what depends on it may be collected again",
        severity="warning",
    )
