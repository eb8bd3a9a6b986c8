"""`quarry backfill` through a running Dagster: what it launches, what it refuses, what it reports.

That a backfill survives its Dagster is in `test_backfill_killed`.
"""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus

from quarry.cli.output import INTERRUPTED
from sensors.launcher import Launcher
from tests.integration.commands import CLEAN, FINDINGS, ROOT, WRONG_USE, call, start
from tests.integration.running_dagster import running_ui
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.live_processes import descendants, kill, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]
GOOD = ["gsm8k-1shot|tiny_raw", "logiqa-1shot|tiny_raw"]
BROKEN = ["gsm8k-1shot|broken", "logiqa-1shot|broken"]


def prepared(folder: Path, tiny_model: tuple[Path, Path]) -> tuple[Path, Path]:
    """Instance and catalog of one good and one broken model on two benchmarks."""
    (folder / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder / "home")
    broken = folder / "no-such-model"
    catalog = write_catalog(
        folder / "catalog.yaml",
        *tiny_model,
        models={
            "tiny_raw": {"path": str(tiny_model[0]), "prompt_style": "raw"},
            "broken": {"path": str(broken), "prompt_style": "raw"},
        },
        benchmarks={"gsm8k": {"format": "gsm8k"}, "logiqa": {"format": "logiqa"}},
    )
    return folder / "home", catalog


@pytest.fixture(scope="module")
def grid(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path]
) -> Iterator[SmallPlatform]:
    """Two cells that are collected and labelled by an older grader, and two that can't be made."""
    folder = tmp_path_factory.mktemp("backfill")
    home, catalog = prepared(folder, tiny_model)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        platform = open_platform(catalog, folder / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(GOOD)))
        older = platform.defs.map_resolved_asset_specs(
            func=lambda spec: spec.replace_attributes(code_version="older"),
            selection="correctness_labels",
        )
        launcher = Launcher(older, platform.grid, instance)
        all_succeeded([launcher.materialise("correctness_labels", cell) for cell in GOOD])
        yield platform


@pytest.fixture(scope="module")
def ui(grid: SmallPlatform) -> Iterator[SmallPlatform]:
    """The same with a Dagster that runs."""
    with running_ui(grid):
        yield grid


def backfills(grid: SmallPlatform) -> int:
    return len(grid.instance.get_backfills())


def test_nobody_listens_so_it_is_done_in_the_process(grid: SmallPlatform):
    code, out, err = call("backfill", grid, "--missing", "--max", "1", "--json")
    assert code == FINDINGS
    document = json.loads(out)
    assert [one["partition"] for one in document["plan"]["due"]] == [BROKEN[0]]
    assert document["backfills"] == []
    assert "no-such-model" in document["failed"][0]["reason"]
    assert "No Dagster UI runs on this instance" in err
    assert "no-such-model" in err
    assert backfills(grid) == 0


def test_nothing_is_left_to_nobody(grid: SmallPlatform):
    code, out, err = call("backfill", grid, "--missing", "--no-wait")
    assert (code, out) == (WRONG_USE, "")
    assert "start `quarry ui`" in err


def test_a_dry_run_launches_nothing(ui: SmallPlatform):
    code, out, err = call("backfill", ui, "--dry-run", "--json")
    assert code == CLEAN, err
    plan = json.loads(out)["plan"]
    assert {one["partition"]: one["action"] for one in plan["due"]} == {
        **dict.fromkeys(GOOD, "label"),
        **dict.fromkeys(BROKEN, "collect"),
    }
    assert backfills(ui) == 0


def test_stale_labels_are_made_and_nothing_else(ui: SmallPlatform):
    files = {cell: ui.file_of(cell).stat().st_mtime_ns for cell in GOOD}
    code, out, err = call("backfill", ui, "--stale", "--json")
    assert code == CLEAN, err
    document = json.loads(out)
    [launched] = document["backfills"]
    backfill = ui.instance.get_backfill(launched["id"])
    assert backfill is not None
    assert backfill.title == "quarry: 2 stale, label only"
    assert backfill.tags["quarry/plan"] == "label: stale"
    assert launched["url"].endswith(f"/runs/b/{launched['id']}")
    assert {key.to_user_string() for key in backfill.asset_selection or []} == {
        "correctness_labels",
        "labelled_trajectories",
        "label_changes",
    }
    assert {cell: ui.file_of(cell).stat().st_mtime_ns for cell in GOOD} == files
    code, out, _ = call("plan", ui, "--stale", "--json")
    assert (code, json.loads(out)["due"]) == (CLEAN, [])


def test_a_cell_that_fails_is_reported_with_its_cause_and_is_due_as_failed(ui: SmallPlatform):
    code, out, err = call("backfill", ui, "--missing", "--max", "1", "--json")
    assert code == FINDINGS
    document = json.loads(out)
    assert [one["partition"] for one in document["failed"]] == [BROKEN[0]]
    assert "no-such-model" in document["failed"][0]["reason"]
    assert "0 of 1 cells are made, 1 failed" in err
    code, out, _ = call("plan", ui, "--failed", "--json")
    assert (code, [one["partition"] for one in json.loads(out)["due"]]) == (CLEAN, [BROKEN[0]])


def test_to_stop_following_does_not_stop_the_backfill(ui: SmallPlatform):
    told: list[str] = []
    with start("backfill", ui, "--failed", "--json") as child:
        assert child.stderr is not None
        assert child.stdout is not None
        for line in child.stderr:
            told.append(line)
            if "Following" in line:
                child.send_signal(signal.SIGINT)
        document = json.loads(child.stdout.read())
    assert child.returncode == INTERRUPTED
    assert "the backfill goes on: http://" in told[-1]
    [live] = ui.instance.get_backfills(status=BulkActionStatus.REQUESTED)
    assert [one["id"] for one in document["backfills"]] == [live.backfill_id]
    assert document["failed"] is None
    wait_for(lambda: not is_live(ui, live.backfill_id), "its end")


def is_live(grid: SmallPlatform, backfill_id: str) -> bool:
    backfill = grid.instance.get_backfill(backfill_id)
    return backfill is not None and backfill.status == BulkActionStatus.REQUESTED


def test_a_strangers_dagster_is_refused(
    ui: SmallPlatform, tmp_path: Path, tiny_model: tuple[Path, Path]
):
    home, catalog = prepared(tmp_path, tiny_model)
    url = json.loads((ui.data_dir.parent / "home" / "ui.json").read_text())["url"]
    launched = backfills(ui)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        ours = open_platform(catalog, tmp_path / "data", instance)
        code, out, err = call("backfill", ours, "--missing", "--url", url)
        ids = {one.instance.run_storage.get_run_storage_id() for one in (ours, ui)}  # pyright: ignore[reportAttributeAccessIssue]
    assert (code, out) == (WRONG_USE, "")
    assert all(one in err for one in ids)
    assert backfills(ui) == launched


def test_a_catalog_that_was_edited_since_launches_nothing(ui: SmallPlatform):
    catalog, launched = ui.data_dir.parent / "catalog.yaml", backfills(ui)
    kept = catalog.read_text()
    edited = yaml.safe_load(kept)
    edited["models"] = dict(reversed(edited["models"].items()))
    catalog.write_text(yaml.safe_dump(edited, sort_keys=False))
    code, out, err = call("backfill", ui, "--failed", "--json")
    catalog.write_text(kept)
    assert code == WRONG_USE
    assert "Reload definitions" in err
    document = json.loads(out)
    assert document["plan"]["due"] != []
    assert (document["backfills"], document["failed"]) == ([], None)
    assert backfills(ui) == launched


def test_a_second_ui_on_the_instance_is_refused(ui: SmallPlatform):
    said = (ui.data_dir.parent / "home" / "ui.json").read_text()
    code, out, err = call("ui", ui, "--port", "1")
    assert (code, out) == (WRONG_USE, "")
    assert json.loads(said)["url"] in err
    assert (ui.data_dir.parent / "home" / "ui.json").read_text() == said


def test_nobody_at_the_given_address_is_an_error(grid: SmallPlatform):
    code, out, err = call("backfill", grid, "--missing", "--url", "http://127.0.0.1:9")
    assert (code, out) == (WRONG_USE, "")
    assert "Nobody answers" in err


def test_a_ui_that_was_killed_is_forgotten(tmp_path: Path, tiny_model: tuple[Path, Path]):
    home, catalog = prepared(tmp_path, tiny_model)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        platform = open_platform(catalog, tmp_path / "data", instance)
        with running_ui(platform) as process:
            assert (home / "ui.json").exists()
            kill(*descendants(process.pid))
            process.wait(timeout=30)
            code, _, err = call("backfill", platform, "--max", "1", "--model", "broken")
    assert code == FINDINGS
    assert "No Dagster UI runs on this instance" in err
