"""Tags of a run that healing asked for: what it was to do, and what came of it.

Run tags are the whole memory of healing: budgets, back-off and the stop after too many failures
are worked out from them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from quarry.errors import CopyUnusableError, StorageError, StorageRefusedError
from quarry.inference.engine import Usage

PURPOSE = {"quarry/purpose": "heal"}
"""Marks every run that healing asked for."""
ACTION_TAG = "quarry/heal_action"
BYTES_TAG = "quarry/heal_bytes"
MOVED_TAG_PREFIX = "quarry/moved_bytes."
GPU_HOURS_TAG = "quarry/heal_gpu_hours"
SPENT_TAG = "quarry/spent_gpu_hours"
ATTEMPT_TAG = "quarry/heal_attempt"
OUTCOME_TAG = "quarry/heal_outcome"


def outcome_tag(run_id: str) -> str:
    """The tag of what came of one run: a run that is started again inherits tags."""
    return f"{OUTCOME_TAG}.{run_id[:8]}"


@contextmanager
def recorded_outcome(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Iterator[None]:
    """Tag the run where what failed is not the cell's fault: the copy's, or the store's.

    A store that refused for good gets no tag, so that the attempt counts as a failure: a cap or a
    missing permission stays until a person acts, who is asked once a cell is given up.
    """
    try:
        yield
    except CopyUnusableError:
        _tag(context, "copy_unusable")
        raise
    except StorageRefusedError:
        raise
    except StorageError:
        _tag(context, "unreachable")
        raise


def record_moved(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, step: str, size_bytes: int
) -> None:
    """Note what a step of a healing run really moved, in bytes; the estimate no longer counts."""
    if ACTION_TAG in context.run.tags:
        context.instance.add_run_tags(
            context.run.run_id, {f"{MOVED_TAG_PREFIX}{step}": str(size_bytes)}
        )


def spent_tag(run_id: str) -> str:
    """The tag of the GPU hours that one run really took; a run started again inherits tags."""
    return f"{SPENT_TAG}.{run_id[:8]}"


def record_spent(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, usage: Usage | None
) -> None:
    """Note what a healing run took of the GPU; the estimate no longer counts."""
    if ACTION_TAG in context.run.tags and usage is not None:
        run_id = context.run.run_id
        context.instance.add_run_tags(run_id, {spent_tag(run_id): f"{usage.gpu_hours:.6g}"})


def _tag(context: dg.OpExecutionContext | dg.AssetExecutionContext, outcome: str) -> None:
    context.instance.add_run_tags(context.run.run_id, {outcome_tag(context.run.run_id): outcome})
