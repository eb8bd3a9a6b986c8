"""`LiveDagster`: a real `dagster dev` beside a command, spoken to through its GraphQL interface."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from commands.platform import ROOT
from quarry.errors import QuarryError

_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "quarry"}
_START_S = 120.0
_END_S = 20.0

_LOCATIONS = """query { workspaceOrError { ... on Workspace { locationEntries {
    locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
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
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self.port = _free_port()

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
                cwd=ROOT,
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
        selector = {**_REPOSITORY, "sensorName": name}
        answer = self._ask(_START_SENSOR, {"selector": selector})["startSensor"]
        if answer["__typename"] != "Sensor":
            raise self._refused(f"starting the sensor {name}", answer)
        return answer["sensorState"]["id"]

    def stop_sensor(self, sensor_id: str) -> None:
        """Switch a sensor off."""
        self._ask(_STOP_SENSOR, {"id": sensor_id})

    def launch(self, job: str) -> str:
        """Launch a job without a partition; returns the run's id."""
        params = {"selector": {**_REPOSITORY, "jobName": job}, "runConfigData": {}}
        answer = self._ask(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise self._refused(f"launching {job}", answer)
        return answer["run"]["id"]

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of an answer."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer.raise_for_status()
        document = answer.json()
        if document.get("errors"):
            raise self._refused("a query", document["errors"])
        return document["data"]

    def _await(self) -> None:
        """Wait until the code location is loaded."""
        end_s = time.monotonic() + _START_S
        while time.monotonic() < end_s and self._process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                for entry in self._ask(_LOCATIONS, {})["workspaceOrError"]["locationEntries"]:
                    loaded = entry["locationOrLoadError"]
                    if loaded and loaded["__typename"] == "RepositoryLocation":
                        return
                    if loaded:
                        raise self._refused("loading the definitions", loaded["message"])
            time.sleep(0.5)
        raise self._refused("starting", "no answer in time")

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

    def _refused(self, what: str, got: object) -> QuarryError:
        """The error for an answer that is not the one hoped for."""
        return QuarryError(
            f"Dagster did not do it: {what}",
            where=self.url,
            expected="success",
            got=str(got),
            fix=f"see its output in {self._log}",
        )


def _free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
