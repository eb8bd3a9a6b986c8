"""The two sensors that ask for what is missing or stale: one spends GPU hours, one CPU time.

What they ask for, and when, is said by the conditions in `assets.automation`. No asset with a
condition is left to the sensor that Dagster would otherwise make by itself.
"""

import warnings
from collections.abc import Collection, Sequence

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus as Status

from assets.evaluation_specs import (
    FINETUNED_CHECKPOINTS,
    GRADED_COMPLETIONS,
    SAMPLED_COMPLETIONS,
    SAMPLED_EVAL_DATASET,
)
from assets.identity import AssetIdentity
from assets.specs import (
    BENCHMARK_SAMPLES,
    CODI_CHECKPOINTS,
    COLLECTION_AUDIT,
    CORRECTNESS_LABELS,
    COT_NECESSITY,
    LABEL_CHANGES,
    LABELLED_TRAJECTORIES,
    MODEL_CHECKPOINTS,
    NECESSITY_RESULTS,
    REASONING_CANDIDATES,
    STRATIFIED_DATASET,
    TRAJECTORIES,
)
from assets.trajectories import AUTOMATION, PURPOSE_TAG

COLLECTS = (
    BENCHMARK_SAMPLES,
    MODEL_CHECKPOINTS,
    TRAJECTORIES,
    REASONING_CANDIDATES,
    CODI_CHECKPOINTS,
    COT_NECESSITY,
    FINETUNED_CHECKPOINTS,
    SAMPLED_COMPLETIONS,
    GRADED_COMPLETIONS,
)
FOLLOWS = (
    CORRECTNESS_LABELS,
    LABELLED_TRAJECTORIES,
    LABEL_CHANGES,
    COLLECTION_AUDIT,
    NECESSITY_RESULTS,
    STRATIFIED_DATASET,
    SAMPLED_EVAL_DATASET,
)
COLLECT_MISSING = "collect_missing_cells"
AUTOMATED = {PURPOSE_TAG: AUTOMATION}
"""Marks every run that these sensors ask for, beside Dagster's `dagster/from_automation_condition`,
which the daemon adds."""


def build_automation_sensors(assets: Collection[str], *, is_on: bool) -> list[dg.SensorDefinition]:
    """The sensors of automation.

    Args:
        assets: names of those that the catalog makes; no catalog makes all.
        is_on: whether they run unless somebody switches them off.
    """
    return [
        _sensor(
            COLLECT_MISSING,
            [one for one in COLLECTS if one.name in assets],
            "On means GPU hours, and a grader's bill: every cell of the grid that was never "
            "collected is collected, once, after its samples were drawn and its toy model was "
            "trained; every shard of candidates is tested once; every fine-tuned checkpoint is "
            "sampled and graded once. What failed waits for a person or for healing.",
            is_on=is_on,
        ),
        _sensor(
            "label_and_audit",
            [one for one in FOLLOWS if one.name in assets],
            "On means CPU time: intact cells are labelled, labelled again after a change of grader "
            "or data, and their views follow; datasets are chosen from new results; the audit is "
            "made after a change, at most hourly, and once a day.",
            is_on=is_on,
        ),
    ]


def _sensor(
    name: str, identities: Sequence[AssetIdentity], meaning: str, *, is_on: bool
) -> dg.AutomationConditionSensorDefinition:
    """One sensor; a run a partition, since a range of them would lose the verdicts of checks."""
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
    with warnings.catch_warnings():
        # evaluation in the code location, which conditions of our own need, is called beta
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationConditionSensorDefinition(
            name,
            target=dg.AssetSelection.assets(*(identity.name for identity in identities)),
            run_tags=AUTOMATED,
            default_status=status,
            minimum_interval_seconds=60,
            description=f"{meaning} Off unless QUARRY_AUTOMATION=on, or switched on here.",
            emit_backfills=False,
            use_user_code_server=True,
        )


def is_collecting(instance: dg.DagsterInstance, *, is_on: bool) -> bool:
    """Whether the sensor that collects missing cells runs.

    Args:
        instance: knows whether somebody switched it.
        is_on: what holds if nobody did.
    """
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name == COLLECT_MISSING and state.status != Status.DECLARED_IN_CODE:
            return state.status == Status.RUNNING
    return is_on
