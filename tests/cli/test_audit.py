"""`quarry audit`."""

import csv
import json
import re
import shutil

import pytest

from quarry.cli import locations
from quarry.errors import UsageError
from quarry.keys import TrajectoryKey

KEY = TrajectoryKey("tiny_a", "gsm8k", 0)


def options(grid) -> list:
    return ["--catalog", grid / "catalog.yaml", "--data-dir", grid / "data", "--level", "light"]


def test_a_clean_grid_ends_with_0_and_one_json_document(cli, pristine_grid):
    done = cli("audit", *options(pristine_grid), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["counts"]["OK"] == 4
    assert document["plan"] == []


def test_a_missing_file_ends_with_1_and_shows_in_table_and_plan(cli, grid):
    (grid / "data" / KEY.trajectory_path).unlink()
    done = cli("audit", *options(grid))
    assert done.returncode == 1
    assert "**MISSING**" in done.stdout
    assert "| **LOW**" in done.stdout
    assert "4/8 (50.0%) OK" in done.stdout


def test_csv_and_page_are_written_beside_the_json_document(cli, pristine_grid, tmp_path):
    table, page = tmp_path / "audit.csv", tmp_path / "audit.html"
    done = cli("audit", *options(pristine_grid), "--json", "--csv", table, "--html", page)
    assert done.returncode == 0
    assert json.loads(done.stdout)["is_clean"]
    with table.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert page.read_text().startswith("<!doctype html>")
    assert {path.name for path in tmp_path.iterdir()} >= {"audit.csv", "audit.html"}
    assert not list(tmp_path.glob(".*tmp"))


def test_catalog_and_data_directory_come_from_the_environment(cli, pristine_grid, tmp_path):
    done = cli(
        "audit",
        "--json",
        "--level=light",
        cwd=tmp_path,
        QUARRY_CATALOG=str(pristine_grid / "catalog.yaml"),
        QUARRY_DATA_DIR=str(pristine_grid / "data"),
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["catalog"] == "small"


def test_a_malformed_catalog_ends_with_2_and_names_the_key(cli, grid):
    catalog = grid / "catalog.yaml"
    catalog.write_text(catalog.read_text().replace("format: gsm8k", "format: gsm9k"))
    done = cli("audit", *options(grid), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "benchmarks.gsm8k.format" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_directory_that_does_not_exist_ends_with_2(cli, grid):
    shutil.rmtree(grid / "data")
    done = cli("audit", *options(grid))
    assert (done.returncode, done.stdout) == (2, "")
    assert "name it with --data-dir" in done.stderr


@pytest.mark.parametrize("deployment", ["demo", "local"])
def test_the_data_directory_is_that_of_the_deployment(monkeypatch, tmp_path, deployment):
    monkeypatch.setattr(locations, "find_checkout", lambda: tmp_path)
    monkeypatch.setenv("QUARRY_DEPLOYMENT", deployment)
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path}/.quarry/{deployment}/data")):
        locations.data_directory(None)


@pytest.mark.parametrize("command", ["audit", "adopt"])
def test_a_misspelt_deployment_is_refused_before_anything_is_read_or_made(
    cli, pristine_grid, tmp_path, command
):
    files = [pristine_grid / "data" / "trajectories"] if command == "adopt" else []
    catalog = ("--catalog", pristine_grid / "catalog.yaml")
    for others in ((*catalog,), ("--data-dir", tmp_path / "data")):
        done = cli(command, *files, *others, QUARRY_DEPLOYMENT="locale")
        assert (done.returncode, done.stdout) == (2, "")
        assert "demo or local" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deployment", ["demo", "local"])
def test_from_anywhere_the_catalog_is_the_one_that_the_platform_takes(
    cli, pristine_grid, tmp_path, deployment
):
    chosen = {"QUARRY_CATALOG": "catalog/olmo3.yaml"} if deployment == "demo" else {}
    data = ("--data-dir", pristine_grid / "data", "--level", "light", "--json")
    done = cli("audit", *data, cwd=tmp_path, QUARRY_DEPLOYMENT=deployment, **chosen)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["catalog"].startswith("olmo3")


def test_a_page_that_can_not_be_written_ends_with_2_before_anything_is_printed(
    cli, pristine_grid, tmp_path
):
    done = cli("audit", *options(pristine_grid), "--json", "--html", tmp_path / "no" / "a.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "can't be written" in done.stderr
