"""What healing tried before, read back from the runs that it asked for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord

from assets.heal_outcome import (
    ACTION_TAG,
    BYTES_TAG,
    GPU_HOURS_TAG,
    MOVED_TAG_PREFIX,
    PURPOSE,
    outcome_tag,
    spent_tag,
)
from assets.metadata import SAMPLES_COLLECTED
from quarry.healing.health import Action, Attempt, Outcome

PARTITION_TAG = "dagster/partition"
CLEARED = "cleared"
_MEMORY = timedelta(days=60)
_ERRORS_READ = 50
"""Errors are read of the latest runs only: each costs a query, and only the last ones are shown."""


def attempts(instance: dg.DagsterInstance, now: datetime) -> list[Attempt]:
    """Every attempt of the last 60 days, oldest first."""
    return list(_attempts(instance, heal_records(instance, now - _MEMORY)[::-1]))[::-1]


def heal_records(instance: dg.DagsterInstance, since: datetime) -> list[RunRecord]:
    """The runs that healing asked for since a time, oldest first."""
    asked = dg.RunsFilter(tags=PURPOSE, created_after=since)
    return list(instance.get_run_records(asked, ascending=True))


def in_flight(instance: dg.DagsterInstance) -> bool:
    """Whether any run is queued or at work."""
    statuses = list(NOT_FINISHED_STATUSES)
    return bool(instance.get_run_ids(dg.RunsFilter(statuses=statuses), limit=1))


def samples_collected(instance: dg.DagsterInstance, run_id: str) -> int:
    """How many samples a run collected anew."""
    total = 0
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.asset_materialization
        value = event.metadata.get(SAMPLES_COLLECTED) if event else None
        total += int(str(value.value)) if value is not None else 0
    return total


def clear(instance: dg.DagsterInstance, partition: str) -> bool:
    """Let a cell be tried again: its latest attempt counts as cleared by a person.

    Returns:
        Whether there was an attempt to clear.
    """
    tags = {**PURPOSE, PARTITION_TAG: partition}
    for record in instance.get_run_records(dg.RunsFilter(tags=tags), limit=1):
        run = record.dagster_run
        if run.is_finished:
            instance.add_run_tags(run.run_id, {outcome_tag(run.run_id): CLEARED})
            return True
    return False


def _attempts(instance: dg.DagsterInstance, records: list[RunRecord]) -> Iterator[Attempt]:
    """The attempts behind run records, newest first."""
    errors_read = 0
    for record in records:
        run, tags = record.dagster_run, record.dagster_run.tags
        if tags.get(ACTION_TAG) not in get_args(Action) or PARTITION_TAG not in tags:
            continue
        has_failed = run.is_finished and not run.is_success
        wants_error = has_failed and errors_read < _ERRORS_READ
        errors_read += wants_error
        yield Attempt(
            partition=tags[PARTITION_TAG],
            action=cast("Action", tags[ACTION_TAG]),
            started_at=record.create_timestamp.replace(tzinfo=UTC),
            ended_at=_ended_at(record),
            outcome=_outcome(record),
            size_bytes=moved_bytes(tags),
            gpu_hours=float(tags.get(spent_tag(run.run_id), tags.get(GPU_HOURS_TAG, "0"))),
            error=_first_error(instance, run.run_id) if wants_error else "",
        )


def moved_bytes(tags: Mapping[str, str]) -> int:
    """What a run moved, in bytes; the estimate while it has not said."""
    moved = [int(text) for tag, text in tags.items() if tag.startswith(MOVED_TAG_PREFIX)]
    return sum(moved) if moved else int(tags.get(BYTES_TAG, "0"))


def _ended_at(record: RunRecord) -> datetime | None:
    """When a run ended; None while it has not."""
    if not record.dagster_run.is_finished:
        return None
    if record.end_time is None:
        return record.update_timestamp.replace(tzinfo=UTC)
    return datetime.fromtimestamp(record.end_time, UTC)


def _outcome(record: RunRecord) -> Outcome:
    """What came of a run."""
    run = record.dagster_run
    if not run.is_finished:
        return "running"
    outcome = run.tags.get(outcome_tag(run.run_id))
    if run.is_success and outcome != CLEARED:
        return "healed"
    return cast("Outcome", outcome or "failed")


def _first_error(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first line of what ended a run."""
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        if event is not None and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            message = str((error.cause or error).message).strip()
            return message.removeprefix("dagster._core.definitions.events.Failure: ").split("\n")[0]
    return "the run ended without an error of a step; see its log"
