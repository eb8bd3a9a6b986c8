"""Identity of the assets of sampled, graded evaluation sets; part of the table in `specs`."""

from collections.abc import Sequence
from dataclasses import replace

from assets.automation import COLLECT, FOLLOW
from assets.identity import AssetIdentity
from quarry.equivalence.versions import GRADING_VERSION
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
    code_version=str(FACTS_VERSION),
    automation=COLLECT,
)

SAMPLED_COMPLETIONS = AssetIdentity(
    name="sampled_completions",
    group="evaluation",
    description="Many generations of every prompt of the run's domain, collapsed to distinct "
    "completions with their counts and token ids. Generation k depends on seed, prompt and k "
    "alone. Durable chunk by chunk: materialise a failed partition again and it goes on; raising "
    "`sampling.n` in the catalog makes only the further ones.",
    kinds=("parquet", "pytorch"),
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
    code_version=str(SET_VERSION),
    io_manager_key="eval_sets",
    automation=FOLLOW,
)

EVALUATION = (
    FINETUNED_CHECKPOINTS,
    SAMPLED_COMPLETIONS,
    GRADED_COMPLETIONS,
    SAMPLED_EVAL_DATASET,
)


def under_rubrics(identity: AssetIdentity, digests: Sequence[str]) -> AssetIdentity:
    """An identity whose content depends on rubrics: on what is equivalent, or on their text.

    They are part of its code version, so that a changed one makes it stale; nothing before it.
    """
    shown = "-".join([identity.code_version, *(one[:8] for one in digests)])
    return replace(identity, code_version=shown)
