"""Runs whose processes died are ended; no living one ever is."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from quarry.trajectory.verification import verify
from resources.files import FilesResource
from resources.run_workers import HOST_TAG, is_local
from sensors.orphans import build_orphan_sensor, reconcile
from tests.live_processes import descendants, kill, wait_for
from tests.soak.slow_cells import JOB, N_BEFORE_WAITING, file_of
from tests.soak.slow_platform import SlowPlatform, kill_with_children

MODEL = "command"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[SlowPlatform]:
    with SlowPlatform.open(tmp_path) as platform:
        yield platform


@pytest.fixture(scope="module")
def dead_pid() -> int:
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def collecting(platform: SlowPlatform, *command: str) -> subprocess.Popen[bytes]:
    """A process in the middle of a cell."""
    platform.hold(MODEL)
    process = platform.start(*command) if command else platform.start_command(MODEL)
    wait_for(lambda: platform.rows_of(MODEL) >= N_BEFORE_WAITING, "two samples written")
    return process


def a_run(platform: SlowPlatform, *, is_started: bool = True, **named: object) -> dg.DagsterRun:
    """A run without a process."""
    job = platform.defs.resolve_job_def(JOB)
    run = platform.instance.create_run_for_job(job, tags={"dagster/partition": MODEL})
    if is_started:
        say(platform, run, dg.DagsterEventType.PIPELINE_START, named.get("pid"))
    return run


def say(platform, run, kind, pid=None, step=None) -> None:
    """Write an event into a run's log as the process `pid`."""
    data = EngineEventData() if step else None
    event = dg.DagsterEvent(
        kind.value, run.job_name, pid=pid, step_key=step, event_specific_data=data
    )
    platform.instance.report_dagster_event(event, run.run_id)


def served(**address: object) -> dg.DagsterRun:
    """A run that was launched through a code server; without an address, by something else."""
    origin = GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="here")
    job = RemoteJobOrigin(RemoteRepositoryOrigin(origin, "__repository__"), JOB)
    tags = {GRPC_INFO_TAG: json.dumps(address)} if address else {}
    return dg.DagsterRun(job_name=JOB, tags=tags, remote_job_origin=job)


def ended(platform: SlowPlatform, instance: dg.DagsterInstance | None = None) -> list[str]:
    found = reconcile(instance or platform.instance, platform.data_dir)
    return [orphan.run_id for orphan in found]


def impatient(platform: SlowPlatform, limit_s: int) -> dg.DagsterInstance:
    """The same instance, opened with another limit for the start of a run."""
    path = platform.home / "dagster.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["run_monitoring"]["start_timeout_seconds"] = limit_s
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(platform.home))


def test_a_killed_command_leaves_a_failed_cell_that_can_be_run_again(platform: SlowPlatform):
    process = collecting(platform)
    assert ended(platform) == []
    assert platform.status_of(MODEL) == "IN_PROGRESS"
    [temporary] = (platform.data_dir / "staging").glob("*.h5")
    lone = temporary.with_name(temporary.name.replace("command+", "other+"))
    lone.write_bytes(b"half")
    kill_with_children(process)

    [orphan] = reconcile(platform.instance, platform.data_dir)
    run = platform.run_of(MODEL)
    assert (orphan.run_id, orphan.partition, orphan.job_name) == (run.run_id, MODEL, JOB)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert f"expected: process {process.pid} to run until the end" in orphan.reason
    assert orphan.reason in platform.log_of(run.run_id)
    assert platform.status_of(MODEL) == "FAILED"
    assert platform.places_taken() == 0
    assert not lone.exists()
    assert platform.rows_of(MODEL) == N_BEFORE_WAITING
    assert ended(platform) == []

    platform.release(MODEL)
    assert platform.run_here(MODEL)
    assert platform.status_of(MODEL) == "MATERIALIZED"
    assert verify(file_of(platform.data_dir, MODEL)).is_clean
    assert platform.abandoned() == []
    calls = (platform.data_dir / f"calls-{MODEL}").read_text().splitlines()
    assert len(calls) == len(set(calls)) + 1, "only the sample in flight is run twice"


def test_a_run_whose_step_outlives_its_worker_is_waited_for(platform: SlowPlatform):
    command = ("-m", "dagster", "job", "execute", "-m", "tests.soak.slow_cells", "-j", JOB)
    tags = '{"dagster/partition": "command"}'
    worker = collecting(platform, *command, "--tags", tags)
    run = platform.run_of(MODEL)
    children = descendants(worker.pid)[1:]
    kill(worker.pid)
    worker.wait(timeout=30)

    assert ended(platform) == []
    assert ended(platform) == []
    assert sum("is waited for" in message for message in platform.log_of(run.run_id)) == 1
    kill(*children)
    wait_for(lambda: ended(platform) == [run.run_id], "the run's end")
    assert platform.status_of(MODEL) == "FAILED"


def test_a_run_in_this_process_lives_however_long_it_is_silent(platform: SlowPlatform):
    a_run(platform, pid=os.getpid())
    assert ended(platform) == []


def test_a_run_between_two_steps_lives_by_its_worker(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=os.getpid())
    say(platform, run, dg.DagsterEventType.STEP_WORKER_STARTED, dead_pid, "one")
    assert ended(platform) == []


def test_a_step_that_is_being_started_is_given_time(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=dead_pid)
    say(platform, run, dg.DagsterEventType.STEP_WORKER_STARTING, dead_pid, "one")
    assert ended(platform) == []
    say(platform, run, dg.DagsterEventType.STEP_WORKER_STARTED, dead_pid, "one")
    assert ended(platform) == [run.run_id]


def test_a_run_that_no_process_has_begun_is_given_time_and_a_queued_one_all_time(
    platform: SlowPlatform,
):
    queued = served(host="localhost").with_status(dg.DagsterRunStatus.QUEUED)
    platform.instance.run_storage.add_run(queued)
    started, waiting = a_run(platform), a_run(platform, is_started=False)
    assert ended(platform) == []
    found: list[str] = []
    with impatient(platform, limit_s=1) as instance:
        wait_for(
            lambda: bool(found.extend(ended(platform, instance)) or len(found) == 2),
            "both runs' end",
        )
    assert set(found) == {started.run_id, waiting.run_id}
    [left] = platform.instance.get_runs(dg.RunsFilter(run_ids=[queued.run_id]))
    assert left.status == dg.DagsterRunStatus.QUEUED


def test_the_worker_that_an_engine_event_names_counts(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, is_started=False)
    platform.instance.report_engine_event(
        f"Started process for run (pid: {dead_pid}).", run, EngineEventData.in_process(dead_pid)
    )
    assert ended(platform) == [run.run_id]


def test_a_run_that_was_being_cancelled_is_cancelled(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=dead_pid)
    platform.instance.report_run_canceling(run)
    assert ended(platform) == [run.run_id]
    assert platform.run_of(MODEL).status == dg.DagsterRunStatus.CANCELED


def test_places_in_a_pool_are_free_at_once(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=dead_pid)
    platform.instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "one")
    assert platform.places_taken() == 1
    assert ended(platform) == [run.run_id]
    assert platform.places_taken() == 0


def test_runs_of_other_machines_are_left_to_their_time_limit(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=dead_pid)
    platform.instance.add_run_tags(run.run_id, {HOST_TAG: "elsewhe", "dagster/max_runtime": "1"})
    assert ended(platform) == []
    time.sleep(1.2)
    with WorkspaceProcessContext(platform.instance, EmptyWorkspaceTarget()) as context:
        list(execute_run_monitoring_iteration(context, logging.getLogger("monitoring")))
    assert platform.run_of(MODEL).status == dg.DagsterRunStatus.FAILURE
    assert platform.instance.run_monitoring_max_runtime_seconds == 2 * 24 * 3600


def test_served_runs_are_judged_where_their_server_is(tmp_path: Path):
    gone, there = str(tmp_path / "gone"), tmp_path / "there"
    there.touch()
    assert is_local(served(host="localhost", socket=str(there)), in_code_server=False)
    assert not is_local(served(host="localhost", socket=gone), in_code_server=False)
    assert is_local(served(host="localhost", socket=gone), in_code_server=True)
    assert is_local(served(host="127.0.0.1", port=1), in_code_server=False)
    assert not is_local(served(host="code.example", port=1), in_code_server=True)
    assert not is_local(served(), in_code_server=True)


def test_the_sensor_says_what_it_ended(platform: SlowPlatform, dead_pid: int):
    run = a_run(platform, pid=dead_pid)
    sensor = build_orphan_sensor()
    files = FilesResource(data_dir=str(platform.data_dir))
    said = []
    for _ in range(2):
        context = dg.build_sensor_context(platform.instance, resources={"files": files})
        answer = sensor(context)
        assert isinstance(answer, dg.SkipReason)
        said.append(answer.skip_message)
    assert said == [f"ended {run.run_id[:8]} {MODEL}", "every run has a process"]
