"""Runs that lost their processes are ended here: by a sensor, and before each command.

Dagster 1.13 ends a run whose worker died only if the code server that started it lives. Else the
run stays STARTED, its cell in progress and its pool's place taken. What is decided:

- A run is an orphan when its log names processes and none of them runs. No time limit is involved,
  so a long step, a slow start or a silent hour condemns nobody.
- A step's process may outlive its run's worker. Its work is kept: the run waits for it, and so does
  the pool, since the process may still hold the GPU. `max_runtime` in `dagster.yaml` is the end of
  all patience.
- An orphan fails with Dagster's reason for crashed workers, so `run_retries` starts it once more: a
  collection goes on from its journal. Runs of commands are not: the next command starts them.
- A run that was being cancelled is cancelled.
- Runs of an instance in a database server are left to `max_runtime`: they may be anywhere.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.events import JobFailureData, RunFailureReason

from quarry.errors import QuarryError
from quarry.trajectory.staging import sweep_staging
from resources.files import FilesResource
from resources.run_workers import (
    Workers,
    age_s,
    can_judge,
    is_local,
    unfinished,
    workers_of,
)

NAME = "reconcile_runs"
STEP_START_S = 60
"""How long a step's process may take to say its id, after which it is taken for dead."""


@dataclass(frozen=True)
class Orphan:
    """A run that was ended because nothing works on it.

    Args:
        run_id: the run.
        partition: what it worked on; empty for unpartitioned runs.
        job_name: its job.
        reason: what its log now says.
    """

    run_id: str
    partition: str
    job_name: str
    reason: str


def build_orphan_sensor(interval_s: int = 30) -> dg.SensorDefinition:
    """The sensor that ends orphaned runs.

    Args:
        interval_s: seconds between two looks.
    """

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends runs whose processes have all died, so that their cells show as failed "
        "and their pools are free, and removes the temporary files of dead processes. Asks for one "
        "list of unfinished runs; starts nothing.",
    )
    def reconcile_runs(context: dg.SensorEvaluationContext, files: FilesResource) -> dg.SkipReason:
        if not can_judge(context.instance):
            return dg.SkipReason("the instance is in a database server: see max_runtime_seconds")
        ended = reconcile(context.instance, files.open().root, in_code_server=True)
        for orphan in ended:
            context.log.warning("ended run %s: %s", orphan.run_id, orphan.reason)
        names = ", ".join(f"{one.run_id[:8]} {one.partition}".strip() for one in ended)
        return dg.SkipReason(f"ended {names}" if ended else "every run has a process")

    return reconcile_runs


def reconcile(
    instance: dg.DagsterInstance, data_dir: Path, *, in_code_server: bool = False
) -> list[Orphan]:
    """End every run that lost its processes, and sweep what they left in staging.

    Half-written files with a journal stay for the next collection of their cell.

    Args:
        instance: where the runs are recorded; one in a database server is left alone.
        data_dir: the platform's data directory.
        in_code_server: see `resources.run_workers.is_local`.
    """
    if not can_judge(instance):
        return []
    records = [
        record
        for record in unfinished(instance)
        if is_local(record.dagster_run, in_code_server=in_code_server)
    ]
    ended = [orphan for record in records if (orphan := _end_if_orphaned(instance, record))]
    if ended:
        sweep_staging(data_dir)
    return ended


def _end_if_orphaned(instance: dg.DagsterInstance, record: dg.RunRecord) -> Orphan | None:
    """End one run if nothing works on it."""
    run_id, now = record.dagster_run.run_id, datetime.now(UTC)
    workers = workers_of(instance, run_id)
    # A worker writes the end of its run before it ends itself: what is unfinished now stays so.
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return None
    if workers.living:
        if workers.worker in workers.dead:
            _say_that_it_waits(instance, run, workers)
        return None
    if _may_be_starting(instance, record, workers, now):
        return None
    return _end(instance, run, workers)


def _may_be_starting(
    instance: dg.DagsterInstance, record: dg.RunRecord, workers: Workers, now: datetime
) -> bool:
    """Whether a process may be on its way that has not said its id yet."""
    if not workers.dead:
        return age_s(record, now) < (instance.run_monitoring_start_timeout_seconds or 300)
    return workers.is_step_starting and now.timestamp() - workers.newest_at < STEP_START_S


def _say_that_it_waits(instance: dg.DagsterInstance, run: dg.DagsterRun, workers: Workers) -> None:
    """Say once in the run's log that its worker has died and a step's process has not."""
    reason = QuarryError(
        "the run's worker has died, but the process of a step still works and is waited for",
        where=_place(run),
        expected=f"process {workers.worker} to run until the end",
        got=f"process {_named(workers.living)} alone",
        fix="nothing: when that process ends the run fails, and can be started again",
    )
    logged = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    if all(entry.get_dagster_event().message != str(reason) for entry in logged):
        instance.report_engine_event(str(reason), run)


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, workers: Workers) -> Orphan:
    """Write the end of a run and free the places that it takes in pools."""
    reason = QuarryError(
        "the run was ended because nothing works on it any more",
        where=_place(run),
        expected=f"process {_named(workers.dead)} to run until the end"
        if workers.dead
        else "a process that says that it has begun",
        got="no such process; it was killed, ran out of memory, or the machine went down",
        fix="start it again (a collection goes on from the samples that were written), unless "
        "Dagster does so by itself; if it dies again, look for the killer in the system's log",
    )
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, str(reason))
    else:
        why = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        instance.report_run_failed(run, str(reason), why)
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return Orphan(run.run_id, _partition(run), run.job_name, str(reason))


def _place(run: dg.DagsterRun) -> str:
    """A run for a person, with what it worked on."""
    return " of ".join(filter(None, (f"run {run.run_id}", _partition(run))))


def _partition(run: dg.DagsterRun) -> str:
    """What a run worked on; empty for unpartitioned ones."""
    return run.tags.get("dagster/partition", "")


def _named(pids: tuple[int, ...]) -> str:
    """Process ids for a person."""
    return ", ".join(map(str, pids))
