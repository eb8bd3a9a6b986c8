"""Jobs: named selections of assets and checks that a person or a schedule launches as one."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.specs import CORRECTNESS_LABELS, LABELLED_TRAJECTORIES, TRAJECTORIES
from assets.trajectory_checks import NAMES, ROLL_UP

COLLECT = "collect_cells"
RELABEL = "relabel_cells"
VERIFY = "verify_cells"
MARK = "mark_cells"
ROLL_UP_JOB = "roll_up_cells"

VERIFY_ONLY = {"ops": {TRAJECTORIES.name: {"config": {"verify_only": True}}}}
"""Run config that examines a cell's file, and fails the partition if it is bad."""

LABELS = (CORRECTNESS_LABELS.name, LABELLED_TRAJECTORIES.name)


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """The jobs of the grid."""
    trajectories = dg.AssetSelection.assets(TRAJECTORIES.name)
    labels = dg.AssetSelection.assets(*LABELS)
    roll_up = dg.AssetSelection.checks(_check(ROLL_UP))
    return [
        dg.define_asset_job(
            COLLECT,
            selection=(trajectories | labels) - roll_up,
            description="Collect trajectories, verify them and label them: one run a cell.",
        ),
        dg.define_asset_job(
            RELABEL,
            selection=labels,
            description="Grade the stored outputs again; activations are not touched.",
        ),
        *_verification_jobs(trajectories, roll_up),
    ]


def _verification_jobs(
    trajectories: dg.AssetSelection, roll_up: dg.AssetSelection
) -> list[UnresolvedAssetJobDefinition]:
    """The jobs that examine what was collected, and collect nothing."""
    return [
        dg.define_asset_job(
            VERIFY,
            selection=dg.AssetSelection.checks(*(_check(name) for name in NAMES)),
            description="Run the integrity checks of one cell, named by the tag dagster/partition.",
        ),
        dg.define_asset_job(
            MARK,
            selection=trajectories.without_checks(),
            config=VERIFY_ONLY,
            description="Fail the partition of a cell whose file is bad; collects nothing.",
        ),
        dg.define_asset_job(
            ROLL_UP_JOB,
            selection=roll_up,
            description="Roll the verdicts of all cells up into one.",
        ),
    ]


def _check(name: str) -> dg.AssetCheckKey:
    """The key of a check on trajectories."""
    return dg.AssetCheckKey(dg.AssetKey(TRAJECTORIES.name), name)
