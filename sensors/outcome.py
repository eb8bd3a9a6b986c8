"""`Outcome`: how a run ended, and the first reason why it failed, from its events."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

TELLING = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}
"""The events that say why a run failed."""


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Args:
        partition: what it worked on; empty for unpartitioned runs.
        is_success: whether every step succeeded.
        reason: first error, one paragraph; empty on success.
        run_id: to find the run in the UI.
    """

    partition: str
    is_success: bool
    reason: str
    run_id: str


def first_reason(events: Iterable[dg.DagsterEvent]) -> str:
    """Why a run failed, or which check of it did: blocking ones first; empty for nothing."""
    events = list(events)
    failed = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not event.asset_check_evaluation_data.passed
    ]
    reasons = [check.description or "" for check in failed if check.blocking]
    reasons += [
        _first_message(event.step_failure_data.error) for event in events if event.is_step_failure
    ]
    # a resource that can't be made fails the run before any step
    reasons += [
        _first_message(event.job_failure_data.error or event.message)
        for event in events
        if event.is_job_failure
    ]
    reasons += [check.description or "" for check in failed if not check.blocking]
    return reasons[0] if reasons else ""


def reason_of_run(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run that is over has failed, from its log."""
    entries = instance.all_logs(run_id, of_type=TELLING)
    return first_reason(entry.get_dagster_event() for entry in entries)


def _first_message(error: object) -> str:
    """The innermost message of a step's error, without its traceback."""
    cause = getattr(error, "cause", None)
    if cause is not None and getattr(error, "cls_name", "") != "Failure":
        return _first_message(cause)
    message = str(getattr(error, "message", error)).strip()
    return message.removeprefix("dagster._core.definitions.events.Failure: ")
