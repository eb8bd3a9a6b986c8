"""Identity of the assets of sampled, graded evaluation sets; part of the table in `specs`."""

from dataclasses import dataclass, replace
from pathlib import Path

from assets.automation import COLLECT, FOLLOW_CURRENT
from assets.identity import AssetIdentity
from quarry.catalog import EvaluationSpec
from quarry.equivalence.versions import GRADING_VERSION
from quarry.evaluation_sets.settings_digest import grading_digest, rubrics_digest, sampling_digest
from quarry.evaluation_sets.versions import SET_VERSION
from quarry.sampling.versions import SAMPLING_VERSION
from quarry.toy.facts_models import FACTS_VERSION

FINETUNED_CHECKPOINTS = AssetIdentity(
    name="finetuned_checkpoints",
    group="evaluation",
    description="Fine-tuned checkpoints, one partition each: `<run>@<checkpoint>`. Toy runs are "
    "trained here on a handful of facts; runs from elsewhere are found by the sensor `watch_runs` "
    "in the outputs folder and recorded, never written.",
    kinds=("pytorch",),
    spends="cpu",
    kept="raw",
    code_version=str(FACTS_VERSION),
    automation=COLLECT,
)

SAMPLED_COMPLETIONS = AssetIdentity(
    name="sampled_completions",
    group="evaluation",
    description="Many generations of every prompt of the run's domain, collapsed to distinct "
    "completions with their counts and token ids. Generation k draws from a stream of seed, "
    "prompt and k alone. Durable chunk by chunk: materialise a failed partition again and it "
    "goes on; raising `sampling.n` in the catalog makes only the further ones.",
    kinds=("parquet", "pytorch"),
    spends="gpu",
    kept="raw",
    code_version=str(SAMPLING_VERSION),
    io_manager_key="completions",
    pool="gpu",
    automation=COLLECT,
)

GRADED_COMPLETIONS = AssetIdentity(
    name="graded_completions",
    group="evaluation",
    description="Each distinct completion decided on by the domain's rubric: equivalent, not "
    "equivalent, or ungraded with the reason. Rules settle what is clear, a language model the "
    "rest if the catalog names one. Decisions are kept as they come: nothing is paid for twice, "
    "and never more than `max_usd` a set. A changed rubric makes these stale.",
    kinds=("parquet",),
    spends="money",
    kept="raw",
    code_version=str(GRADING_VERSION),
    io_manager_key="graded",
    automation=COLLECT,
)

SAMPLED_EVAL_DATASET = AssetIdentity(
    name="sampled_eval_dataset",
    group="evaluation",
    description="The equivalent completions, tokenised and masked, as a directory that "
    "`datasets.load_from_disk` reads, with a description in JSON: sampling, rubric, grader, "
    "metric, counts. Token ids are the generated ones; order, ids and types never change by "
    "themselves.",
    kinds=("huggingface", "json"),
    spends="cpu",
    kept="derived",
    code_version=str(SET_VERSION),
    io_manager_key="eval_sets",
    automation=FOLLOW_CURRENT,
)

EVALUATION = (
    FINETUNED_CHECKPOINTS,
    SAMPLED_COMPLETIONS,
    GRADED_COMPLETIONS,
    SAMPLED_EVAL_DATASET,
)


@dataclass(frozen=True)
class EvaluationIdentities:
    """Identities under one catalog.

    What the catalog says is part of the code versions, so that a change makes stale what depends on
    it, and nothing before: a rubric the decisions and the sets, which hold its text; a grader the
    decisions; prompts and sampling the completions.
    """

    sampled: AssetIdentity
    graded: AssetIdentity
    dataset: AssetIdentity


def identities_under(spec: EvaluationSpec, base_dir: Path) -> EvaluationIdentities:
    """The identities under a catalog.

    Raises:
        CatalogError: a rubric's file is missing or malformed.
    """
    return EvaluationIdentities(
        sampled=_under(SAMPLED_COMPLETIONS, sampling_digest(spec, base_dir)),
        graded=_under(GRADED_COMPLETIONS, grading_digest(spec, base_dir)),
        dataset=_under(SAMPLED_EVAL_DATASET, rubrics_digest(spec, base_dir)),
    )


def _under(identity: AssetIdentity, digest: str) -> AssetIdentity:
    """An identity whose content depends on settings of that digest."""
    return replace(identity, code_version=f"{identity.code_version}-{digest}")
