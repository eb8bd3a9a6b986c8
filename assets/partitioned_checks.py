"""Everything that touches partitioned asset checks, a preview API of Dagster 1.13.

Kept in one module; every behaviour relied on has a test in `tests/dagster_side/test_traps.py`, so
that an upgrade shows what changed. Two of them decide the design: an asset with partitioned checks
must have no `BackfillPolicy` (verdicts would land without a partition), and an asset's own health
looks at its last check only, so an unpartitioned check has to roll the grid up.
"""

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import dagster as dg
from dagster import AssetCheckKey
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
)
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from quarry.findings import Finding
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey
from resources.findings import findings_table


@dataclass(frozen=True)
class CheckIdentity:
    """Name and meaning of one check.

    Args:
        name: what is true when it passes.
        description: what is examined and what a failure means.
        is_blocking: whether downstream assets wait for it in the same run.
    """

    name: str
    description: str
    is_blocking: bool = False


def check_specs(
    asset: str, checks: Sequence[CheckIdentity], partitions: dg.PartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """Partitioned specs of an asset's checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset,
                description=check.description,
                blocking=check.is_blocking,
                partitions_def=partitions,
            )
            for check in checks
        ]


def check_results(
    asset: str,
    checks: Sequence[CheckIdentity],
    findings: Sequence[Finding],
    facts: Mapping[str, str | int | float],
    examined: Collection[str],
) -> Iterator[dg.AssetCheckResult]:
    """One result for each check, with what a person needs to act on it.

    A check that could not be examined, because an earlier one failed, does not pass. A warning is
    shown by a blocking check that passes, and fails an advisory one with severity WARN.
    """
    for check in checks:
        found = [finding for finding in findings if finding.check == check.name]
        if not found and check.name not in examined:
            yield _not_examined(asset, check.name, findings)
            continue
        has_errors = any(finding.severity == "error" for finding in found)
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=check.name,
            passed=not has_errors if check.is_blocking else not found,
            severity=(
                dg.AssetCheckSeverity.ERROR
                if has_errors or not found
                else dg.AssetCheckSeverity.WARN
            ),
            description=_summary(found),
            metadata=_metadata(found, facts),
        )


def _not_examined(asset: str, name: str, findings: Sequence[Finding]) -> dg.AssetCheckResult:
    """The result of a check that an earlier finding made impossible."""
    cause = findings[0] if findings else None
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=False,
        description=f"Not examined: {cause.what if cause else 'the file could not be read'}",
        metadata={"because_of": cause.check, "what_to_do": cause.cure} if cause else {},
    )


def selected_checks(
    context: dg.AssetCheckExecutionContext, checks: Sequence[CheckIdentity]
) -> list[CheckIdentity]:
    """The checks that this run asks for, in their order."""
    selected = {key.name for key in context.selected_asset_check_keys}
    return [check for check in checks if check.name in selected]


def _summary(found: Sequence[Finding]) -> str | None:
    """The first finding as a sentence, with the number of others."""
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].what}{more}. {found[0].cure}"


def _metadata(
    found: Sequence[Finding], facts: Mapping[str, str | int | float]
) -> dict[str, dg.MetadataValue | str | int | float]:
    """Facts when all is well; else cause, place, expectation and cure, and all findings."""
    if not found:
        return dict(facts)
    first = found[0]
    return {
        "findings": len(found),
        "what": first.what,
        "where": first.where,
        "expected": first.expected,
        "got": first.got,
        "what_to_do": first.cure,
        "all_findings": findings_table(found),
    }


@dataclass(frozen=True)
class GridState:
    """How the checks of an asset stand over its partitions, from their latest executions."""

    failed: dict[str, list[str]]
    unverified: dict[str, list[str]]

    @property
    def is_intact(self) -> bool:
        """Whether every check has passed for every materialised partition."""
        return not self.failed and not self.unverified

    def fingerprint(self) -> str:
        """Changes whenever the verdict of any partition does."""
        return blake2b(
            json.dumps([self.failed, self.unverified], sort_keys=True).encode(), digest_size=8
        ).hexdigest()


def grid_state(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Sequence[str],
    partitions: dg.PartitionsDefinition,
) -> GridState:
    """Failed and unverified partitions, each with the names of the checks concerned.

    A materialised partition whose check never ran since its last materialisation is unverified; one
    whose check is running now is neither; one that was never materialised is not looked at.
    """
    asset_key = dg.AssetKey(asset)
    keys = [AssetCheckKey(asset_key, name) for name in checks]
    states = instance.event_log_storage.get_asset_check_state([(key, partitions) for key in keys])
    materialized = instance.get_materialized_partitions(asset_key)
    failed: dict[str, list[str]] = {}
    unverified: dict[str, list[str]] = {}
    for key in keys:
        subsets = states[key].subsets
        by_status = {
            status: set(subset.subset_value.get_partition_keys())
            for status, subset in subsets.items()
        }
        bad = by_status.get(AssetCheckExecutionResolvedStatus.FAILED, set())
        settled = bad.union(
            by_status.get(AssetCheckExecutionResolvedStatus.SUCCEEDED, set()),
            by_status.get(AssetCheckExecutionResolvedStatus.IN_PROGRESS, set()),
        )
        for partition in sorted(bad):
            failed.setdefault(partition, []).append(key.name)
        for partition in sorted(materialized - settled):
            unverified.setdefault(partition, []).append(key.name)
    return GridState(failed, unverified)


def cells_to_mark(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Sequence[str],
    partitions: dg.PartitionsDefinition,
) -> list[tuple[str, str]]:
    """Partitions that a check condemned and that Dagster still counts as materialised.

    Each comes with the id of the run whose check failed, so that one failure is acted on once.
    """
    asset_key = dg.AssetKey(asset)
    failed = grid_state(instance, asset, checks, partitions).failed
    statuses = instance.get_status_by_partition(asset_key, list(failed), partitions) or {}
    evidence = {
        info.partition_key: info.latest_planned_run_id
        for info in instance.event_log_storage.get_asset_check_partition_info(
            [AssetCheckKey(asset_key, name) for name in checks], partition_keys=list(failed)
        )
        if info.latest_execution_status == AssetCheckExecutionRecordStatus.FAILED
    }
    return [
        (partition, evidence.get(partition, ""))
        for partition in sorted(failed)
        if statuses.get(partition) == AssetPartitionStatus.MATERIALIZED
    ]


def partition_tags(partition: str) -> dict[str, str]:
    """Tags that give a check-only run its partition; `RunRequest(partition_key=…)` refuses one."""
    key = TrajectoryKey.from_partition(partition)
    return {
        "dagster/partition": partition,
        f"dagster/partition/{MODEL_DIMENSION}": key.model,
        f"dagster/partition/{BENCHMARK_DIMENSION}": key.benchmark,
    }
