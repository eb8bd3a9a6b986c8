"""`LiveDagster`: a real `dagster dev` beside a command, spoken to through its GraphQL interface."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from commands.graphql import REPOSITORY, GraphQL
from commands.platform import ROOT
from quarry.errors import NoAnswerError

_START_S = 120.0
_END_S = 20.0

_START_SENSOR = """mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
    __typename ... on Sensor { id sensorState { id selectorId } }
    ... on PythonError { message } ... on SensorNotFoundError { message } } }"""
_STOP_SENSOR = """mutation ($id: String!) { stopSensor(id: $id) {
    __typename ... on PythonError { message } } }"""
_LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""


class LiveDagster:
    """Web server, daemon and code server of the current deployment, ended with the block.

    Args:
        log: takes their output.
        root: the checkout whose code is served.
        environment: what they find in their environment; None for that of this process.
        start_s: how long they may take to answer.
    """

    def __init__(
        self,
        log: Path,
        *,
        root: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        start_s: float = _START_S,
    ) -> None:
        self._log, self._root, self._environment = log, root, environment
        self._start_s = start_s
        self.port = _free_port()
        self.graphql = GraphQL(self.url, f"see its output in {log}")

    @property
    def url(self) -> str:
        """Where a browser finds the UI."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start, and wait until the code location answers."""
        dagster = str(Path(sys.executable).with_name("dagster"))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [dagster, "dev", "-w", "workspace.yaml", "-p", str(self.port)],
                cwd=self._root,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all of its processes."""
        self._end()

    def start_sensor(self, name: str) -> str:
        """Switch a sensor on; returns the id by which it is switched off."""
        selector = {**REPOSITORY, "sensorName": name}
        answer = self.graphql.ask(_START_SENSOR, {"selector": selector})["startSensor"]
        if answer["__typename"] != "Sensor":
            raise self.graphql.refused(f"starting the sensor {name}", answer)
        return answer["sensorState"]["id"]

    def stop_sensor(self, sensor_id: str) -> None:
        """Switch a sensor off."""
        self.graphql.ask(_STOP_SENSOR, {"id": sensor_id})

    def launch(self, job: str) -> str:
        """Launch a job without a partition; returns the run's id."""
        params = {"selector": {**REPOSITORY, "jobName": job}, "runConfigData": {}}
        answer = self.graphql.ask(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise self.graphql.refused(f"launching {job}", answer)
        return answer["run"]["id"]

    def _await(self) -> None:
        """Wait until the code location is loaded."""
        end_s = time.monotonic() + self._start_s
        while time.monotonic() < end_s and self._process.poll() is None:
            with contextlib.suppress(NoAnswerError):
                for error in self.graphql.locations().values():
                    if error:
                        raise self.graphql.refused("loading the definitions", error)
                    return
            time.sleep(0.5)
        raise self.graphql.refused("starting", "no answer in time")

    def _end(self) -> None:
        """Ask the whole session to end, and end what is left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
            try:
                self._process.wait(_END_S if number == signal.SIGTERM else None)
            except subprocess.TimeoutExpired:
                continue


def _free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
