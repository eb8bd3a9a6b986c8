"""Which processes work on a run, as far as its log and this machine can tell.

Every process of a run writes its id into the run's log: the worker, the process of a command that
runs in itself, and each step's child. Dagster 1.13 compares them with nothing: its monitoring asks
the launcher, and the default one can't say. What to do about a run that lost its processes is
decided in `sensors.orphans`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.storage.runs import InMemoryRunStorage, SqliteRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG

from quarry.processes import host_mark, is_alive

HOST_TAG = ".dagster/quarry_host"
"""On runs of commands: the machine, or container, whose process ids their logs name.

The UI hides tags with this prefix: a mark of a machine says nothing to a person.
"""

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Queued runs are not among them: no process has them, and the daemon takes them when it comes."""

_TELLING = {
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.PIPELINE_START,
    dg.DagsterEventType.STEP_WORKER_STARTING,
    dg.DagsterEventType.STEP_WORKER_STARTED,
    dg.DagsterEventType.STEP_START,
}
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Workers:
    """The processes of one run.

    Args:
        worker: id of the first, which starts the others and outlives them; None if none was seen.
        dead: ids of those that have ended.
        living: ids of those that run.
        newest_at: when one last began something, in seconds since 1970; 0 if none was ever seen.
        is_step_starting: whether a step's process was started and has not said its id yet.
    """

    worker: int | None
    dead: tuple[int, ...]
    living: tuple[int, ...]
    newest_at: float
    is_step_starting: bool


def host_tags() -> dict[str, str]:
    """Tags of runs that this process executes itself."""
    return {HOST_TAG: host_mark()}


def can_judge(instance: dg.DagsterInstance) -> bool:
    """Whether the instance belongs to one machine, so that process ids in its logs mean something.

    One in a database server may be shared, and its runs may be anywhere.
    """
    return isinstance(instance.run_storage, (SqliteRunStorage, InMemoryRunStorage))


def is_local(run: dg.DagsterRun, *, in_code_server: bool) -> bool:
    """Whether the processes of a run are, or were, in this machine's table of processes.

    Args:
        run: the run.
        in_code_server: whether this process is a code server, beside which runs are executed. Any
            other may look at the same instance out of another container.
    """
    if run.remote_job_origin is None:
        return run.tags.get(HOST_TAG, host_mark()) == host_mark()
    address = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if address.get("host") not in _THIS_MACHINE:
        return False
    return in_code_server or "socket" not in address or Path(address["socket"]).exists()


def unfinished(instance: dg.DagsterInstance) -> Sequence[dg.RunRecord]:
    """Every run that a process ought to be working on, in one query."""
    return instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))


def workers_of(instance: dg.DagsterInstance, run_id: str) -> Workers:
    """The processes that a run's log names, looked up in this machine's table.

    Args:
        instance: where the log is.
        run_id: the run.
    """
    first_seen: dict[int, float] = {}
    newest_at = 0.0
    starting: set[str | None] = set()
    for entry in instance.all_logs(run_id, of_type=_TELLING):
        event = entry.get_dagster_event()
        if (pid := _pid(event)) is not None:
            first_seen.setdefault(pid, entry.timestamp)
            newest_at = max(newest_at, entry.timestamp)
        if event.event_type == dg.DagsterEventType.STEP_WORKER_STARTING:
            starting.add(event.step_key)
        elif event.event_type == dg.DagsterEventType.STEP_WORKER_STARTED:
            starting.discard(event.step_key)
    living = tuple(pid for pid, seen_at in first_seen.items() if is_alive(pid, seen_at, run_id))
    dead = tuple(pid for pid in first_seen if pid not in living)
    return Workers(next(iter(first_seen), None), dead, living, newest_at, bool(starting))


def age_s(record: dg.RunRecord, now: datetime) -> float:
    """How long nothing has happened to the state of a run, in seconds."""
    return (now - record.update_timestamp).total_seconds()


def _pid(event: dg.DagsterEvent) -> int | None:
    """The id of the process that an event speaks of; None if it speaks of none."""
    if event.pid is not None:
        return event.pid
    data = event.event_specific_data
    if not isinstance(data, EngineEventData) or "pid" not in data.metadata:
        return None
    return int(str(data.metadata["pid"].value))
