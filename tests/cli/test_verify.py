"""`quarry verify`."""

import json
import shutil
from pathlib import Path

import pytest

from quarry.cli.verify import key_of_path
from quarry.keys import TrajectoryKey

KEY = TrajectoryKey("tiny_a", "gsm8k", 0)


def file_of(grid: Path, key: TrajectoryKey = KEY) -> Path:
    return grid / "data" / key.trajectory_path


def cut(path: Path, by_bytes: int = 4096) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - by_bytes)


@pytest.mark.parametrize("level", ["light", "structure", "full"])
def test_a_clean_directory_ends_with_0_and_one_json_document(cli, pristine_grid, level):
    done = cli("verify", pristine_grid / "data", "--json", "--level", level)
    assert done.returncode == 0
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["is_clean"]
    assert document["level"] == level
    assert len(document["files"]) == 4


def test_a_cut_file_ends_with_1_and_names_what_was_expected_and_what_to_do(cli, grid):
    cut(file_of(grid))
    done = cli("verify", grid, "--json", "--level", "light")
    assert done.returncode == 1
    broken = [entry for entry in json.loads(done.stdout)["files"] if not entry["is_clean"]]
    assert [Path(entry["path"]) for entry in broken] == [file_of(grid)]
    truncated = next(f for f in broken[0]["findings"] if f["kind"] == "truncated")
    assert truncated["check"] == "file_complete"
    assert truncated["cure"]


def test_a_person_reads_a_table_and_every_finding(cli, grid):
    cut(file_of(grid))
    done = cli("verify", file_of(grid), file_of(grid, TrajectoryKey("tiny_b", "gsm8k", 0)))
    assert done.returncode == 1
    assert "| clean" in done.stdout
    assert "errors" in done.stdout
    assert "error: The file is truncated" in done.stdout
    assert "  fix: " in done.stdout


def test_an_intact_file_in_another_cells_place_is_found(cli, grid):
    here = file_of(grid)
    other = file_of(grid, TrajectoryKey("tiny_b", "gsm8k", 0))
    for suffix in ("", ".manifest.json"):
        shutil.copy(other.with_name(other.name + suffix), here.with_name(here.name + suffix))
    done = cli("verify", here, "--json")
    assert done.returncode == 1
    got = json.loads(done.stdout)["files"][0]["findings"]
    assert any("tiny_b" in finding["got"] for finding in got)


@pytest.mark.parametrize(
    "arguments",
    [["no/such/file.h5"], ["."], [], ["--level", "deep", "x"], ["--frobnicate"]],
)
def test_wrong_use_ends_with_2_an_empty_stdout_and_no_traceback(cli, tmp_path, arguments):
    done = cli("verify", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_named_twice_is_verified_once(cli, pristine_grid):
    done = cli("verify", file_of(pristine_grid), pristine_grid, "--json", "--level", "light")
    assert len(json.loads(done.stdout)["files"]) == 4


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/d/trajectories/0shot/tiny_a/gsm8k_trajectories.h5", KEY),
        ("/d/trajectories/08shot/tiny_a/gsm8k_trajectories.h5", None),
        ("/d/trajectories/xshot/tiny_a/gsm8k_trajectories.h5", None),
        ("/d/0shot/tiny_a/gsm8k_trajectories.h5", None),
        ("/old/olmo3_base/gsm8k_trajectories.h5", None),
        ("/d/trajectories/0shot/Tiny/gsm8k_trajectories.h5", None),
        ("x.h5", None),
    ],
)
def test_only_a_path_of_our_own_layout_names_a_cell(path, key):
    assert key_of_path(Path(path)) == key
