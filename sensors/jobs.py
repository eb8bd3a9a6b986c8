"""Jobs: named selections of assets and checks that a person or a schedule launches as one."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.specs import (
    CORRECTNESS_LABELS,
    LABEL_CHANGES,
    LABELLED_TRAJECTORIES,
    REMOTE_LABELS,
    REMOTE_TRAJECTORIES,
    STORED_OBJECTS,
    TRAJECTORIES,
)
from assets.trajectory_checks import NAMES, ROLL_UP
from quarry.semantic.wording import SEMANTIC
from quarry.storage.inventory import REMOTE_COPY_MATCHES

COLLECT = "collect_cells"
RELABEL = "relabel_cells"
VERIFY = "verify_cells"
CHECK_SEMANTICS = "check_semantics"
MARK = "mark_cells"
ROLL_UP_JOB = "roll_up_cells"
COPY = "copy_cells"
RESTORE = "restore_cells"
VERIFY_COPIES = "verify_copies"
INVENTORY = "take_inventory"

VERIFY_ONLY = {"ops": {TRAJECTORIES.name: {"config": {"verify_only": True}}}}
"""Run config that examines a cell's file, and fails the partition if it is bad."""

REMOTE_CHECK = dg.AssetCheckKey(dg.AssetKey(REMOTE_TRAJECTORIES.name), REMOTE_COPY_MATCHES)
LABELS = (CORRECTNESS_LABELS.name, LABELLED_TRAJECTORIES.name, LABEL_CHANGES.name)


def build_jobs(*, has_store: bool) -> list[UnresolvedAssetJobDefinition]:
    """The jobs of the grid.

    Args:
        has_store: whether there is an object store, to which what is made is copied in the same
            run.
    """
    trajectories = dg.AssetSelection.assets(TRAJECTORIES.name)
    labels = dg.AssetSelection.assets(*LABELS)
    roll_up = dg.AssetSelection.checks(_check(ROLL_UP))
    semantic = dg.AssetSelection.checks(_check(SEMANTIC))
    made, relabelled = (trajectories | labels) - roll_up - semantic, labels
    if has_store:
        made |= _copies()
        relabelled |= dg.AssetSelection.assets(REMOTE_LABELS.name)
    return [
        dg.define_asset_job(
            COLLECT,
            selection=made,
            description="Collect trajectories, verify, label and copy them: one run a cell.",
        ),
        dg.define_asset_job(
            RELABEL,
            selection=relabelled,
            description="Grade the stored outputs of a cell again; activations are not touched. "
            "The job relabel_grid does all cells in one run.",
        ),
        *_verification_jobs(trajectories, roll_up),
        *(_store_jobs() if has_store else []),
    ]


def _store_jobs() -> list[UnresolvedAssetJobDefinition]:
    """The jobs that concern the object store alone.

    A copy is only taken of a sound file. Where it is refused, the checks of the file say why.
    """
    integrity = dg.AssetSelection.checks(*(_check(name) for name in NAMES))
    return [
        dg.define_asset_job(
            COPY,
            selection=_copies() | integrity,
            description="Copy the published files of one cell to the object store; check both.",
        ),
        dg.define_asset_job(
            VERIFY_COPIES,
            selection=dg.AssetSelection.checks(REMOTE_CHECK),
            description="Check the second copy of one cell, or of all: 2 KiB of each are read.",
        ),
        dg.define_asset_job(
            INVENTORY,
            selection=dg.AssetSelection.assets(STORED_OBJECTS.name),
            description="Compare the object store's listing with the grid and with the record.",
        ),
    ]


def _copies() -> dg.AssetSelection:
    """The second copies of everything that a cell publishes."""
    return dg.AssetSelection.assets(REMOTE_TRAJECTORIES.name, REMOTE_LABELS.name)


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
            CHECK_SEMANTICS,
            selection=dg.AssetSelection.checks(_check(SEMANTIC)),
            description="Run rows through their models again: of one cell, named by the tag "
            "dagster/partition, or of all, each model loaded once. Takes a GPU.",
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
