"""Checks on stratified datasets: against targets, results, sources and evaluation sets."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.partitions import ReasoningPartitions
from assets.specs import STRATIFIED_DATASET
from quarry.selection.examination import examine_dataset
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.files import FilesResource

DATASET_CHECKS = (
    CheckIdentity(
        "targets_met",
        "Every stratum has as many problems as the catalog asks for. A shortage is said here, and "
        "never filled from another stratum. Cure: test more candidates, or lower the target.",
    ),
    CheckIdentity(
        "all_necessary",
        "Every chosen problem needs the chain of thought by the results themselves: right with "
        "thoughts, wrong without, in the table of its shard. The flag of the row is not trusted.",
    ),
    CheckIdentity("ids_and_questions_unique", "No id and no question occurs twice."),
    CheckIdentity(
        "existing_preserved",
        "Every existing problem that the catalog names is there, unchanged and marked.",
    ),
    CheckIdentity(
        "gold_agrees",
        "Answer, solution, number of steps and difficulty are those of the source, read again.",
    ),
    CheckIdentity(
        "no_leakage",
        "No problem is in an evaluation set that the catalog names: the same text, 13 words in a "
        "row, or nearly the same wording. Relatives with other numbers are a warning.",
    ),
)


def build_stratified_checks(partitions: ReasoningPartitions) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks of stratified datasets."""

    @dg.multi_asset_check(
        name="stratified_quality",
        specs=check_specs(STRATIFIED_DATASET.name, DATASET_CHECKS, partitions.targets),
        can_subset=True,
    )
    def stratified_quality(
        context: dg.AssetCheckExecutionContext,
        catalog: CatalogResource,
        benchmarks: BenchmarkSourceResource,
        files: FilesResource,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        entries, directory, base_dir = catalog.load(), files.open(), Path(catalog.path).parent
        source = benchmarks.open(entries, directory, base_dir)

        def examine(target: str) -> CheckReport:
            findings, facts = examine_dataset(entries, target, directory, source, base_dir)
            return CheckReport(findings, facts, [check.name for check in DATASET_CHECKS])

        yield from run_checks(context, STRATIFIED_DATASET.name, DATASET_CHECKS, examine)

    return [stratified_quality]
