"""Checks on tests of necessity and on stratified datasets; the examining is done by the core."""

from collections.abc import Iterator

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import ReasoningPartitions
from assets.specs import COT_NECESSITY, REASONING_CANDIDATES
from assets.version_checks import version_check_of
from quarry.necessity.examination import (
    ALL_CLASSIFIED,
    ALL_TESTED,
    ANSWERS_AGREE,
    examine_pool,
    examine_shard,
)
from quarry.necessity.keys import NecessityKey
from quarry.tables import read_table
from resources.files import FilesResource
from resources.findings import findings_markdown

SHARD_CHECKS = (
    CheckIdentity(
        ALL_TESTED,
        "Every candidate of the shard has one row, and its test could be carried out. Cure: remove "
        "what the errors name and materialise the shard again; only failed problems are tried.",
    ),
    CheckIdentity(
        ANSWERS_AGREE,
        "Verdicts follow from the stored outputs: graded again now, each gives the same. A "
        "difference means another grader version, or a damaged table.",
    ),
)


NECESSITY_CURRENT = CheckIdentity(
    "necessity_current",
    "The shard was tested by the present version of the test. A warning: results of an older one "
    "stay what they are, but shards of two versions are not merged.",
)


def build_necessity_checks(partitions: ReasoningPartitions) -> list[dg.AssetChecksDefinition]:
    """The check of the candidates and the partitioned ones of their shards."""
    return [
        _candidates_check(),
        _shard_checks(partitions),
        version_check_of(COT_NECESSITY, NECESSITY_CURRENT, partitions.shards),
    ]


def _candidates_check() -> dg.AssetChecksDefinition:
    """Whether every candidate has a difficulty."""

    @dg.asset_check(
        asset=REASONING_CANDIDATES.name,
        name=ALL_CLASSIFIED,
        description="Every candidate has a difficulty from its gold solution and is in a shard; "
        "where the pool is all of GSM8K, its counts are the known ones.",
    )
    def all_classified(files: FilesResource) -> dg.AssetCheckResult:
        pool = read_table(files.open().path_of(REASONING_CANDIDATES.name, ""))
        findings = examine_pool(pool)
        return dg.AssetCheckResult(
            passed=not findings,
            description=findings[0].what if findings else None,
            metadata={
                "problems": len(pool),
                **({"findings": findings_markdown(findings)} if findings else {}),
            },
        )

    return all_classified


def _shard_checks(partitions: ReasoningPartitions) -> dg.AssetChecksDefinition:
    """Whether a shard is whole and says what its outputs say."""

    @dg.multi_asset_check(
        name="necessity_shard",
        specs=check_specs(COT_NECESSITY.name, SHARD_CHECKS, partitions.shards),
        can_subset=True,
    )
    def necessity_shard(
        context: dg.AssetCheckExecutionContext, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        directory = files.open()
        pool = read_table(directory.path_of(REASONING_CANDIDATES.name, ""))

        def examine(partition: str) -> CheckReport:
            results = read_table(directory.path_of(COT_NECESSITY.name, partition))
            shard = NecessityKey.from_partition(partition).shard
            findings = examine_shard(results, pool, shard)
            facts = {"problems": len(results)}
            return CheckReport(findings, facts, [check.name for check in SHARD_CHECKS])

        yield from run_checks(context, COT_NECESSITY.name, SHARD_CHECKS, examine)

    return necessity_shard
