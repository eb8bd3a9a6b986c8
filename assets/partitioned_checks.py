"""Running partitioned asset checks, a preview API of Dagster 1.13.

With `check_state`, which reads verdicts back, the only module that touches this API. What it relies
on has tests in `tests/dagster_side/test_traps.py`, so that an upgrade shows what changed. No asset
with partitioned checks has a `BackfillPolicy`: its verdicts would land without a partition.
"""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from assets.latest import latest_materializations
from quarry.errors import QuarryError, StorageError, UsageError
from quarry.findings import Finding
from resources.findings import findings_markdown


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


@dataclass(frozen=True)
class CheckReport:
    """What one partition's examination gave.

    Args:
        findings: every finding, each naming its check.
        facts: plain values, shown by checks that pass.
        examined: names of the checks that came to an end.
    """

    findings: Sequence[Finding]
    facts: Mapping[str, str | int | float]
    examined: Collection[str]


def run_checks(
    context: dg.AssetCheckExecutionContext,
    asset: str,
    checks: Sequence[CheckIdentity],
    examine: Callable[[str], CheckReport],
    order: Callable[[str], tuple[str, ...]] = lambda partition: (partition,),
) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
    """Examine the run's partition, or every materialised one when the run has none, in `order`.

    The UI's button "Execute all" launches a run without a partition. Such a run writes a verdict
    for each partition, failures last, and one for the run itself that rolls them up.
    """
    selected = {key.name for key in context.selected_asset_check_keys}
    wanted = [check for check in checks if check.name in selected]
    run = context.op_execution_context
    if run.has_partition_key:
        report = _examined(examine, run.partition_key, wanted)
        yield from (_verdict(check, report).as_result(asset) for check in wanted)
        return
    targets = _latest_materializations(context.instance, asset)
    failed: dict[str, list[str]] = {check.name: [] for check in wanted}
    failures: list[dg.AssetCheckEvaluation] = []
    for done, partition in enumerate(sorted(targets, key=order), start=1):
        report = _examined(examine, partition, wanted)
        for check in wanted:
            verdict = _verdict(check, report)
            evaluation = verdict.as_evaluation(asset, partition, targets[partition])
            if verdict.passed:
                yield evaluation
            else:
                failed[check.name].append(partition)
                failures.append(evaluation)
        context.log.info("%d of %d partitions examined, last %s", done, len(targets), partition)
    yield from failures  # last, since the list of checks shows the verdict that came last
    yield from (_overall(asset, check, failed[check.name], len(targets)) for check in wanted)


def verdicts_of_partition(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Sequence[CheckIdentity],
    partition: str,
    report: CheckReport,
) -> Iterator[dg.AssetCheckEvaluation]:
    """Verdicts on the latest materialisation of a partition, for a step that runs no checks.

    A step may yield them that examined the partition itself; none where it has no materialisation.
    """
    target = _latest_materializations(instance, asset).get(partition)
    if target is None:
        return
    for check in checks:
        yield _verdict(check, report).as_evaluation(asset, partition, target)


@dataclass(frozen=True)
class _Verdict:
    """The outcome of one check on one partition."""

    check: CheckIdentity
    passed: bool
    severity: dg.AssetCheckSeverity
    description: str | None
    metadata: Mapping[str, dg.MetadataValue | str | int | float]

    def as_result(self, asset: str) -> dg.AssetCheckResult:
        """The result of the run's own partition."""
        return dg.AssetCheckResult(
            asset_key=asset,
            check_name=self.check.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )

    def as_evaluation(
        self, asset: str, partition: str, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dg.AssetCheckEvaluation:
        """The verdict on a partition that is not the run's own."""
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=self.check.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata={name: _as_value(value) for name, value in self.metadata.items()},
            partition=partition,
            target_materialization_data=target,
            blocking=False,
        )


def _examined(
    examine: Callable[[str], CheckReport], partition: str, checks: Sequence[CheckIdentity]
) -> CheckReport:
    """A report; an error of the core becomes a finding, so that other partitions are examined.

    Raises:
        StorageError, UsageError: a store can't be asked, which says nothing about the partition.
    """
    try:
        return examine(partition)
    except (StorageError, UsageError):
        raise
    except QuarryError as error:
        cause = Finding(
            check=checks[0].name,
            kind="not_examined",
            what=error.what,
            where=error.where or partition,
            expected=error.expected or "",
            got=error.got or "",
            cure=error.fix or "see the run's log",
        )
        return CheckReport([cause], {}, [])


def _verdict(check: CheckIdentity, report: CheckReport) -> _Verdict:
    """What a report says about one check.

    A check that could not be examined, because an earlier one failed, does not pass. A warning is
    shown by a blocking check that passes, and fails an advisory one with severity WARN.
    """
    found = [finding for finding in report.findings if finding.check == check.name]
    if not found and check.name not in report.examined:
        return _not_examined(check, report.findings)
    has_errors = any(finding.severity == "error" for finding in found)
    return _Verdict(
        check,
        passed=not has_errors if check.is_blocking else not found,
        severity=(
            dg.AssetCheckSeverity.ERROR if has_errors or not found else dg.AssetCheckSeverity.WARN
        ),
        description=_summary(found),
        metadata=_metadata(found, report.facts),
    )


def _not_examined(check: CheckIdentity, findings: Sequence[Finding]) -> _Verdict:
    """The verdict of a check that an earlier finding made impossible."""
    cause = findings[0] if findings else None
    return _Verdict(
        check,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"Not examined: {cause.what if cause else 'the file could not be read'}",
        metadata={"because_of": cause.check, "what_to_do": cause.cure} if cause else {},
    )


def _overall(
    asset: str, check: CheckIdentity, failed: Sequence[str], total: int
) -> dg.AssetCheckEvaluation:
    """The verdict of a run without a partition: all of them together.

    Not an `AssetCheckResult`: Dagster would look for the partition that the run does not have.
    """
    facts = {"partitions": total, "failed": len(failed), "which": ", ".join(failed) or "none"}
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check.name,
        passed=not failed,
        severity=(dg.AssetCheckSeverity.ERROR if check.is_blocking else dg.AssetCheckSeverity.WARN),
        description=f"{len(failed)} of {total} partitions fail" if failed else None,
        metadata={name: _as_value(value) for name, value in facts.items()},
        blocking=check.is_blocking,
    )


def _latest_materializations(
    instance: dg.DagsterInstance, asset: str
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """The latest materialisation of every materialised partition."""
    return {
        partition: AssetCheckEvaluationTargetMaterializationData(
            run_id=one.run_id, storage_id=one.storage_id, timestamp=one.timestamp
        )
        for partition, one in latest_materializations(instance, asset).items()
    }


def _as_value(value: dg.MetadataValue | str | int | float) -> dg.MetadataValue:
    """A plain value as metadata."""
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    return dg.MetadataValue.float(value) if isinstance(value, float) else value


def _summary(found: Sequence[Finding]) -> str | None:
    """The first finding as a sentence, with the number of others."""
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].what}{more}. What to do: {found[0].cure}"


def _metadata(
    found: Sequence[Finding], facts: Mapping[str, str | int | float]
) -> dict[str, dg.MetadataValue | str | int | float]:
    """Facts when all is well; else cause, place, expectation and cure of every finding."""
    if not found:
        return dict(facts)
    first = found[0]
    return {
        "what": first.what,
        "where": first.where,
        "expected": first.expected,
        "got": first.got,
        "what_to_do": first.cure,
        "number_of_findings": len(found),
        "all_findings": findings_markdown(found),
    }
