"""What the processes of a real `dagster dev` show: its pages, its runs and ticks, their logs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import requests

from assets.check_state import partition_tags
from commands.live_dagster import LiveDagster
from tests.live_processes import descendants, wait_for
from tests.soak.secrets_platform import SecretPlatform

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "quarry"}
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
PAGES = {
    "resources": """query ($repository: RepositorySelector!) {
      allTopLevelResourceDetailsOrError(repositorySelector: $repository) {
        ... on ResourceDetailsList { results { name description resourceType
          configFields { name description configTypeKey isRequired defaultValueAsJson }
          configuredValues { key value type } nestedResources { name type } } } } }""",
    "launchpad": """query ($job: PipelineSelector!) { runConfigSchemaOrError(selector: $job) {
        ... on RunConfigSchema { rootDefaultYaml
          allConfigTypes { key description
            ... on CompositeConfigType { fields { name defaultValueAsJson } } } } } }""",
    "runs": """query { runsOrError { ... on Runs { results {
        runId status runConfigYaml runConfig tags { key value } } } } }""",
    "instance": "query { instance { info runLauncher { name } daemonHealth { allDaemonStatuses {"
    " daemonType healthy lastHeartbeatErrors { message stack } } } } }",
    "code location": """query { workspaceOrError { ... on Workspace { locationEntries {
        name loadStatus displayMetadata { key value } } } } }""",
}
SHOWN = {
    "resources": "resources.store.ObjectStoreResource",
    "launchpad": "place: b2://",
    "runs": "copy_cells_partition_set",
    "instance": "SqliteRunStorage",
    "code location": "definitions.py",
}
"""A word of each page, which proves that it was loaded."""
EVENTS = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
    __typename ... on MessageEvent { message }
    ... on ExecutionStepFailureEvent { error { message stack errorChain { error {
      message stack } } } failureMetadata { metadataEntries { label description
      ... on TextMetadataEntry { text } } } } } } } }"""


class Live:
    """A running `dagster dev` on a platform.

    Args:
        platform: whose definitions it shows.
        dagster: the processes.
    """

    def __init__(self, platform: SecretPlatform, dagster: LiveDagster) -> None:
        self._platform = platform
        self._dagster = dagster

    @classmethod
    @contextmanager
    def open(cls, platform: SecretPlatform) -> Iterator[Live]:
        """Started with the block and ended with it; its output lies in the directory, too."""
        with LiveDagster(platform.directory / "dagster-dev.log") as dagster:
            yield cls(platform, dagster)

    def launch(self, job: str, status: str, **config: Any) -> str:
        """Launch a job on the first cell; what its page shows once it has ended as meant."""
        answer = self._launch(job, config)
        assert "run" in answer, answer
        run_id = answer["run"]["id"]
        wait_for(lambda: self._run(run_id).is_finished, f"the end of {job}")
        ended = self._run(run_id).status.value
        page = self._ask(EVENTS, run=run_id)
        assert ended == status, page[-2000:]
        return page

    def launch_refused(self, job: str, **config: Any) -> str:
        """Ask for a run whose config Dagster refuses."""
        before = self._platform.instance.get_runs_count()
        answer = self._launch(job, config)
        assert answer["__typename"] == "RunConfigValidationInvalid", answer
        assert self._platform.instance.get_runs_count() == before
        return json.dumps(answer)

    def pages(self) -> str:
        """What the UI loads for its pages."""
        job = {**REPOSITORY, "pipelineName": "copy_cells"}
        named = {"repository": REPOSITORY, "job": job}
        shown = {
            page: self._ask(query, **{key: named[key] for key in named if f"${key}" in query})
            for page, query in PAGES.items()
        }
        for page, word in SHOWN.items():
            assert word in shown[page], f"{page} shows no {word}: {shown[page][:500]}"
        return "\n".join(shown.values())

    def tick(self, sensor: str) -> str:
        """Have the daemon evaluate a sensor once."""
        started = time.time()
        state_id = self._dagster.start_sensor(sensor)
        wait_for(lambda: self._ticks_since(started) > 0, f"a tick of {sensor}")
        self._dagster.stop_sensor(state_id)
        return repr(self._platform.instance.all_instigator_state())

    def command_lines(self) -> str:
        """How its processes were called, which everybody on the machine can see."""
        lines: list[str] = []
        for pid in descendants(self._dagster._process.pid):
            try:
                lines.append(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"))
            except OSError:
                continue
        assert len(lines) > 3, lines
        return "\n".join(lines)

    def _launch(self, job: str, config: dict[str, Any]) -> dict[str, Any]:
        tags = partition_tags(self._platform.cells[0].partition)
        params = {
            "selector": {**REPOSITORY, "jobName": job},
            "runConfigData": config,
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        return json.loads(self._ask(LAUNCH, params=params))["data"]["launchRun"]

    def _ask(self, query: str, **variables: Any) -> str:
        """The text of an answer that is none of an error."""
        document = {"query": query, "variables": variables}
        answer = requests.post(f"{self._dagster.url}/graphql", json=document, timeout=60)
        assert answer.ok, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.text

    def _run(self, run_id: str) -> dg.DagsterRun:
        run = self._platform.instance.get_run_by_id(run_id)
        assert run is not None, f"there is no run {run_id}"
        return run

    def _ticks_since(self, moment_s: float) -> int:
        instance = self._platform.instance
        return sum(
            tick.end_timestamp is not None
            for state in instance.all_instigator_state()
            for tick in instance.get_ticks(
                state.instigator_origin_id, state.selector_id, after=moment_s
            )
        )
