"""Checks on sampled completions, on their grading and on evaluation sets."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from assets.evaluation_specs import (
    SAMPLED_COMPLETIONS,
    SAMPLED_EVAL_DATASET,
    EvaluationIdentities,
)
from assets.identity import AssetIdentity
from assets.partitioned_checks import CheckIdentity, CheckReport, check_specs, run_checks
from assets.version_checks import version_check_of
from quarry.evaluation_sets.checkpoint_examination import examine_eval_set, examine_grading
from quarry.sampling.examination import ALL_SAMPLED, examine_sampled
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import sampling_plan
from quarry.tables import read_table
from resources.catalog import CatalogResource
from resources.files import FilesResource

SAMPLED_CHECKS = (
    CheckIdentity(
        ALL_SAMPLED,
        "Every prompt of the domain has as many generations as the catalog asks for, each counted "
        "once. Cure: materialise the partition again; only what is lacking is sampled.",
    ),
)
COMPLETIONS_CURRENT = CheckIdentity(
    "completions_current",
    "The completions were sampled with the settings and prompts of the catalog as it is now. A "
    "warning: they stay what they are. Cure: materialise the partition again; generations that are "
    "still right are kept.",
)
GRADED_CHECKS = (
    CheckIdentity(
        "ungraded_share",
        "Hardly any completion was left without a decision. Cure: read the reasons in the table; "
        "raise `max_usd`, or name a grader that decides what rules can't, and materialise again: "
        "only what is ungraded is asked.",
    ),
    CheckIdentity(
        "canaries_right",
        "Items with known answers, graded among the others, were decided rightly. A wrong one "
        "means that the grader changed, or that completions talk it into verdicts: distrust the "
        "set.",
    ),
)
GRADES_CURRENT = CheckIdentity(
    "grades_current",
    "The completions were graded by the graders and under the rubrics of the catalog as it is now. "
    "Cure: materialise the partition again; decisions of an unchanged rubric cost nothing.",
)
SET_CHECKS = (
    CheckIdentity(
        "set_intact",
        "The directory holds the rows that were written: columns, types, digest; and the label of "
        "every token of a prompt is masked.",
    ),
    CheckIdentity(
        "equivalence_rate",
        "The share of distinct completions that mean the target is within the bounds of the "
        "domain. Far below, the model has not learned; the rubric may be too strict.",
    ),
    CheckIdentity(
        "prompts_covered",
        "Enough prompts have at least one equivalent completion, so that the set is about all of "
        "them and not about the easy ones.",
    ),
    CheckIdentity(
        "masking_right",
        "In every row the unmasked labels decode to the completion, what is masked is the prompt "
        "as the model was fed, and no end-of-sequence token follows.",
    ),
    CheckIdentity("ids_unique", "Every id occurs once and says prompt and generation of its row."),
    CheckIdentity(
        "order_stable",
        "Ids and their order are those that the graded completions give. Consumers join sets and "
        "split them again by row count.",
    ),
)


def build_evaluation_checks(
    identities: EvaluationIdentities, partitions: dg.DynamicPartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks of evaluation sets.

    Args:
        identities: of the assets under the catalog.
        partitions: the checkpoints.
    """
    return [
        _sampled_checks(partitions),
        version_check_of(identities.sampled, COMPLETIONS_CURRENT, partitions),
        _graded_checks(identities.graded, partitions),
        version_check_of(identities.graded, GRADES_CURRENT, partitions),
        _set_checks(partitions),
    ]


def _sampled_checks(partitions: dg.DynamicPartitionsDefinition) -> dg.AssetChecksDefinition:
    """Whether all was sampled."""

    @dg.multi_asset_check(
        name="sampled_quality",
        specs=check_specs(SAMPLED_COMPLETIONS.name, SAMPLED_CHECKS, partitions),
    )
    def sampled_quality(
        context: dg.AssetCheckExecutionContext, catalog: CatalogResource, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        entries, directory, base_dir = catalog.load(), files.open(), Path(catalog.path).parent

        def examine(partition: str) -> CheckReport:
            plan = sampling_plan(entries, SampledKey.from_partition(partition), base_dir)
            sampled = read_table(directory.path_of(SAMPLED_COMPLETIONS.name, partition))
            findings = examine_sampled(sampled, plan.prompts, plan.parameters.n)
            return CheckReport(findings, {"distinct": len(sampled)}, [ALL_SAMPLED])

        yield from run_checks(context, SAMPLED_COMPLETIONS.name, SAMPLED_CHECKS, examine)

    return sampled_quality


def _graded_checks(
    graded: AssetIdentity, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetChecksDefinition:
    """Whether the grading can be trusted."""

    @dg.multi_asset_check(
        name="graded_quality",
        specs=check_specs(graded.name, GRADED_CHECKS, partitions),
        can_subset=True,
    )
    def graded_quality(
        context: dg.AssetCheckExecutionContext, catalog: CatalogResource, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        spec, directory = catalog.load().evaluation_spec(), files.open()

        def examine(partition: str) -> CheckReport:
            key = SampledKey.from_partition(partition)
            findings, facts = examine_grading(spec, key, directory)
            return CheckReport(findings, facts, [check.name for check in GRADED_CHECKS])

        yield from run_checks(context, graded.name, GRADED_CHECKS, examine)

    return graded_quality


def _set_checks(partitions: dg.DynamicPartitionsDefinition) -> dg.AssetChecksDefinition:
    """Whether a set is what its consumers rely on."""

    @dg.multi_asset_check(
        name="set_quality",
        specs=check_specs(SAMPLED_EVAL_DATASET.name, SET_CHECKS, partitions),
        can_subset=True,
    )
    def set_quality(
        context: dg.AssetCheckExecutionContext, catalog: CatalogResource, files: FilesResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
        spec, directory = catalog.load().evaluation_spec(), files.open()
        base_dir = Path(catalog.path).parent

        def examine(partition: str) -> CheckReport:
            key = SampledKey.from_partition(partition)
            findings, facts = examine_eval_set(spec, key, directory, base_dir)
            return CheckReport(findings, facts, [check.name for check in SET_CHECKS])

        yield from run_checks(context, SAMPLED_EVAL_DATASET.name, SET_CHECKS, examine)

    return set_quality
