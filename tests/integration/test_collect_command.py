"""`quarry collect`: a killed or stopped one goes on; exit codes and JSON say what is left."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from quarry.keys import TrajectoryKey
from quarry.trajectory.verification import verify
from tests.integration.commands import CLEAN, FINDINGS, ROOT, WRONG_USE, call, start
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.live_processes import descendants, kill, wait_for

FIRST, SECOND = "gsm8k-1shot|tiny_raw", "logiqa-1shot|tiny_raw"
N_SAMPLES = 24
PATIENCE_S = 300
ASSET = dg.AssetKey("trajectories")
GOING_ON = re.compile(rf"going on from (\d+) of {N_SAMPLES} samples")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


@pytest.fixture
def grid(tmp_path: Path, tiny_model: tuple[Path, Path]) -> Iterator[SmallPlatform]:
    """Two cells that take seconds each, one sample a batch, on an instance of its own folder."""
    (tmp_path / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "home")
    model = {"path": str(tiny_model[0]), "prompt_style": "raw", "batch_size": 1}
    catalog = write_catalog(
        tmp_path / "catalog.yaml",
        *tiny_model,
        n_samples=N_SAMPLES,
        models={"tiny_raw": model},
        benchmarks={"gsm8k": {"format": "gsm8k"}, "logiqa": {"format": "logiqa"}},
        generation={"max_new_tokens": 60},
    )
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        platform = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        yield platform


def rows_of_second(grid: SmallPlatform) -> int:
    """Rows of the second cell that its journals in staging name."""
    task = TrajectoryKey.from_partition(SECOND).task
    journals = (grid.data_dir / "staging").glob(f"*{task}*.journal")
    return sum(path.read_bytes().count(b"\n") - 1 for path in journals)


def interrupted(grid: SmallPlatform, number: signal.Signals) -> int:
    """Stop a run in the midst of its second cell; returns how many rows of it were written."""
    child = start("collect", grid)
    try:
        wait_for(lambda: rows_of_second(grid) >= 3, "the second cell under way", PATIENCE_S)
        if number == signal.SIGKILL:
            kill(*descendants(child.pid))
        else:
            os.kill(child.pid, number)
        child.communicate(timeout=60)
    finally:
        kill(*descendants(child.pid))
        child.wait(timeout=30)
    assert child.returncode != CLEAN
    return rows_of_second(grid)


def statuses(grid: SmallPlatform) -> dict[str, str]:
    found = grid.instance.get_status_by_partition(ASSET, grid.cells, grid.grid.cells) or {}
    return {cell: status.value for cell, status in found.items() if status}


def samples_gone_on_from(grid: SmallPlatform) -> list[int]:
    """How many samples of the newest run of the job were kept, one number a cell that went on."""
    [run] = grid.instance.get_runs(dg.RunsFilter(job_name="collect_grid"), limit=1)
    lines = [record.user_message for record in grid.instance.all_logs(run.run_id)]
    return [int(match[1]) for line in lines if (match := GOING_ON.search(line))]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_collection_that_was_stopped_goes_on_with_the_cell_that_was_open(
    grid: SmallPlatform, number: signal.Signals
):
    written = interrupted(grid, number)
    first = grid.file_of(FIRST).stat().st_mtime_ns
    assert statuses(grid)[FIRST] == "MATERIALIZED"
    assert not grid.file_of(SECOND).exists()

    code, out, err = call("collect", grid, "--json")

    assert code == CLEAN, err
    document = json.loads(out)
    assert document["collected"] == [SECOND]
    assert document["left"] == []
    [kept] = samples_gone_on_from(grid)
    assert written <= kept < N_SAMPLES
    assert grid.file_of(FIRST).stat().st_mtime_ns == first
    assert set(statuses(grid).values()) == {"MATERIALIZED"}
    assert all(verify(grid.file_of(cell)).is_clean for cell in grid.cells)
    assert grid.launcher.unlabelled() == set()  # those of the first, too
    assert list((grid.data_dir / "staging").iterdir()) == []


def test_what_a_killed_run_left_open_can_be_materialised_alone(grid: SmallPlatform):
    written = interrupted(grid, signal.SIGKILL)
    [outcome] = grid.launcher.cells([SECOND])
    all_succeeded([outcome])
    lines = [record.user_message for record in grid.instance.all_logs(outcome.run_id)]
    [kept] = [int(match[1]) for line in lines if (match := GOING_ON.search(line))]
    assert written <= kept < N_SAMPLES


def test_a_plan_does_nothing_and_its_exit_code_says_that_something_is_due(grid: SmallPlatform):
    code, out, err = call("collect", grid, "--dry-run", "--json", "--cell", SECOND)
    assert code == FINDINGS, err
    document = json.loads(out)
    assert [step["partition"] for step in document["plan"]] == [SECOND]
    assert document["plan"][0]["step"] == "collect"
    assert document["collected"] == []
    assert not grid.file_of(SECOND).exists()
    code, out, err = call("collect", grid, "--model", "nobody")
    assert (code, out) == (WRONG_USE, "")
    assert "nobody" in err
