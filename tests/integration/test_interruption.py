"""A collection that is killed, whatever dies, goes on from the samples that were written."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from quarry.keys import TrajectoryKey
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.verification import verify
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.live_processes import descendants, free_port, kill, wait_for

ROOT = Path(__file__).resolve().parents[2]
CELL = "gsm8k-1shot|tiny_raw"
KEY = TrajectoryKey.from_partition(CELL)
N_SAMPLES = 24
PATIENCE_S = 300
GOING_ON = re.compile(rf"going on from (\d+) of {N_SAMPLES} samples")
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on PythonError { message } }
}"""


@pytest.fixture
def catalog(tmp_path: Path, tiny_model: tuple[Path, Path]) -> Path:
    """A catalog whose cells take seconds, one sample a batch."""
    model = {"path": str(tiny_model[0]), "prompt_style": "raw", "batch_size": 1}
    return write_catalog(
        tmp_path / "catalog.yaml",
        *tiny_model,
        n_samples=N_SAMPLES,
        models={"tiny_raw": model},
        benchmarks={"gsm8k": {"format": "gsm8k"}},
        generation={"max_new_tokens": 60},
    )


@pytest.fixture
def platform(tmp_path: Path, catalog: Path) -> Iterator[SmallPlatform]:
    """A platform with samples but no trajectories, on the instance of `home`."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        platform = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        yield platform


def environment(tmp_path: Path) -> dict[str, str]:
    """What a process of the platform needs."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(tmp_path / "home"),
        "QUARRY_CATALOG": str(tmp_path / "catalog.yaml"),
        "QUARRY_DATA_DIR": str(tmp_path / "data"),
        "QUARRY_DEVICE": "cpu",
    }


def rows_written(data_dir: Path) -> int:
    """Rows that the journals in staging name."""
    journals = (data_dir / "staging").glob("*.journal")
    return sum(path.read_bytes().count(b"\n") - 1 for path in journals)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants, as a machine that goes down would."""
    kill(*descendants(process.pid))
    process.wait(timeout=30)


def kept_in_last_run(platform: SmallPlatform, run_id: str) -> int:
    """How many samples a run went on from, by its log."""
    lines = [record.user_message for record in platform.instance.all_logs(run_id)]
    found = [int(match[1]) for line in lines if (match := GOING_ON.search(line))]
    return found[0] if found else 0


def finish(platform: SmallPlatform, at_least: int) -> None:
    """Run the cell again: it goes on, ends well and leaves nothing behind."""
    [outcome] = platform.launcher.cells([CELL])
    all_succeeded([outcome])
    assert at_least <= kept_in_last_run(platform, outcome.run_id) < N_SAMPLES
    assert verify(platform.file_of(CELL)).is_clean
    assert list((platform.data_dir / "staging").iterdir()) == []


def test_a_killed_collector_goes_on_and_gives_the_same_file(
    platform: SmallPlatform, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "definitions"]
    command += ["--select", "trajectories", "--partition", CELL]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: rows_written(platform.data_dir) >= 3, "three samples written", PATIENCE_S)
    finally:
        kill_all(process)
    written = rows_written(platform.data_dir)
    assert not platform.file_of(CELL).exists()
    finish(platform, at_least=written)

    interrupted = read_manifest(manifest_path(platform.file_of(CELL)))
    all_succeeded(list(platform.launcher.cells([CELL])))
    whole = read_manifest(manifest_path(platform.file_of(CELL)))
    assert interrupted.content_digest == whole.content_digest
    assert interrupted.digests != whole.digests


def test_a_killed_dagster_dev_goes_on_too(platform: SmallPlatform, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "definitions", "-p", str(port)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/graphql"
    try:
        wait_for(lambda: answers(url), "the web server", PATIENCE_S)
        assert launch(url) == "LaunchRunSuccess"
        wait_for(lambda: rows_written(platform.data_dir) >= 3, "three samples written", PATIENCE_S)
    finally:
        kill_all(process)
    finish(platform, at_least=rows_written(platform.data_dir))


def answers(url: str) -> bool:
    """Whether a GraphQL server knows the job."""
    try:
        names = ask(url, "{ workspaceOrError { __typename } version }", {})
    except OSError:
        return False
    return "data" in names


def launch(url: str) -> str:
    """Launch the collection of the cell; returns the name of the answer's type."""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "definitions",
        "jobName": "collect_cells",
    }
    tags = [
        {"key": "dagster/partition", "value": CELL},
        {"key": "dagster/partition/benchmark", "value": KEY.benchmark},
        {"key": "dagster/partition/model", "value": KEY.model},
    ]
    params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
    answer = ask(url, LAUNCH, {"params": params})
    assert "errors" not in answer, answer
    return answer["data"]["launchRun"]["__typename"]


def ask(url: str, query: str, variables: dict[str, object]) -> dict[str, dict]:
    """One GraphQL request."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
