"""A platform of `slow_cells` and its processes: commands, code server and daemon, killed by id."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.scheduler.instigation import TickStatus

from quarry.trajectory.staging import is_abandoned
from sensors.orphans import NAME
from tests.live_processes import descendants, free_port, kill, wait_for
from tests.soak.slow_cells import (
    ASSET,
    JOB,
    N_BEFORE_WAITING,
    PARTITIONS,
    POOL,
    build_slow_cells,
    run_here,
    wait_file,
)

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.soak.slow_cells"

LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""


class SlowPlatform:
    """One instance and data directory, and the processes that were started on them.

    Args:
        directory: an empty one.
        settings: changes of the product's `dagster.yaml`, section by section.
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.home, self.data_dir = directory / "home", directory / "data"
        self.home.mkdir(parents=True)
        self.data_dir.mkdir()
        config = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
        for section, values in (settings or {}).items():
            config[section].update(values)
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.instance = dg.DagsterInstance.from_config(str(self.home))
        self.instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
        self.defs = build_slow_cells(str(self.data_dir))
        self._started: list[subprocess.Popen[bytes]] = []
        self._port = free_port()
        self._workspace = directory / "workspace.yaml"
        server = {"host": "localhost", "port": self._port, "location_name": "slow"}
        self._workspace.write_text(
            yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8"
        )

    @classmethod
    @contextmanager
    def open(
        cls, directory: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Iterator[SlowPlatform]:
        """A platform whose processes all end with the block."""
        platform = cls(directory, settings)
        try:
            yield platform
        finally:
            for process in platform._started:
                kill_with_children(process)
            platform.instance.dispose()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python process on this instance."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DAGSTER_HOME": str(self.home),
                "QUARRY_DATA_DIR": str(self.data_dir),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def start_command(self, model: str, *tags: str) -> subprocess.Popen[bytes]:
        """Start what collects a cell in its own process."""
        return self.start("-m", MODULE, model, *tags)

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the code server, and wait until it answers."""
        where = ("--port", str(self._port), "--host", "localhost")
        process = self.start("-m", "dagster", "api", "grpc", "-m", MODULE, *where)
        wait_for(self._answers, "the code server")
        return process

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Start the daemon."""
        return self.start("-m", "dagster._daemon", "run", "-w", str(self._workspace))

    def launch(self, model: str, **tags: str) -> str:
        """Queue the run of a cell as the UI does; the answer is its id."""
        from dagster._core.workspace.context import WorkspaceProcessContext
        from dagster._core.workspace.load_target import WorkspaceFileTarget
        from dagster_graphql.cli import execute_query

        said = {"dagster/partition": model, **{f"dagster/{k}": v for k, v in tags.items()}}
        selector = {"repositoryLocationName": "slow", "repositoryName": "__repository__"}
        params = {
            "selector": {**selector, "jobName": JOB},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in said.items()]},
        }
        target = WorkspaceFileTarget([str(self._workspace)])
        with WorkspaceProcessContext(self.instance, target) as context:
            answer = execute_query(context, LAUNCH, {"params": params})
        launched = (answer.get("data") or {}).get("launchRun", {})
        assert "run" in launched, json.dumps(answer)
        return launched["run"]["runId"]

    def run_here(self, model: str) -> bool:
        """Collect a cell in this process; whether that went well."""
        return run_here(self.defs, self.instance, model).success

    def hold(self, model: str, rows: int = N_BEFORE_WAITING) -> None:
        """Let the cell's collection stop after some rows until it is released."""
        wait_file(self.data_dir, model).write_text(str(rows), encoding="utf-8")

    def release(self, model: str) -> None:
        """Let it go on."""
        wait_file(self.data_dir, model).unlink()

    def rows_of(self, model: str) -> int:
        """Rows that the journals of a cell name."""
        journals = (self.data_dir / "staging").glob(f"{model}+*.journal")
        return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in journals)

    def status_of(self, model: str) -> str:
        """What a partition shows; empty for one that nothing was done for."""
        found = self.instance.get_status_by_partition(dg.AssetKey(ASSET), [model], PARTITIONS)
        status = (found or {}).get(model)
        return status.value if status else ""

    def calls_of(self, model: str) -> int:
        """How many samples of a cell the engine was asked for in all."""
        calls = self.data_dir / f"calls-{model}"
        return calls.read_bytes().count(b"\n") if calls.exists() else 0

    def runs_of(
        self, model: str, statuses: Sequence[dg.DagsterRunStatus] = ()
    ) -> Sequence[dg.DagsterRun]:
        """The runs of a cell, latest first."""
        tags = {"dagster/partition": model}
        return self.instance.get_runs(dg.RunsFilter(tags=tags, statuses=list(statuses)))

    def run_of(self, model: str) -> dg.DagsterRun:
        """The latest run of a cell."""
        return self.runs_of(model)[0]

    def run_with(self, run_id: str) -> dg.DagsterRun:
        """A run by its id."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None, f"there is no run {run_id}"
        return run

    def log_of(self, run_id: str) -> list[str]:
        """What the events of a run say."""
        entries = self.instance.all_logs(run_id)
        return [entry.dagster_event.message or "" for entry in entries if entry.dagster_event]

    def worker_of(self, run_id: str) -> int:
        """The process id of a run's worker."""
        from resources.run_workers import workers_of

        worker = workers_of(self.instance, run_id).worker
        assert worker is not None, f"run {run_id} names no process"
        return worker

    def looks_since(self, moment_s: float) -> int:
        """How often the sensor has looked since a moment, in seconds since 1970."""
        ticks = [
            tick
            for state in self.instance.all_instigator_state()
            if state.instigator_name == NAME
            for tick in self.instance.get_ticks(
                state.instigator_origin_id, state.selector_id, after=moment_s
            )
        ]
        return sum(tick.status == TickStatus.SKIPPED for tick in ticks)

    def places_taken(self) -> int:
        """Places of the pool that some run has claimed."""
        info = self.instance.event_log_storage.get_concurrency_info(POOL)
        return info.active_slot_count

    def abandoned(self) -> list[str]:
        """Names in staging that belong to dead processes."""
        return sorted(
            path.name for path in (self.data_dir / "staging").glob("*") if is_abandoned(path.name)
        )

    def _answers(self) -> bool:
        """Whether somebody listens at the code server's port."""
        with socket.socket() as probe:
            return probe.connect_ex(("localhost", self._port)) == 0


def kill_at_once(process: subprocess.Popen[bytes]) -> None:
    """Kill a process alone."""
    process.kill()
    process.wait(timeout=30)


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants, as a machine that goes down would."""
    if process.poll() is None:
        kill(*descendants(process.pid))
    process.wait(timeout=30)
