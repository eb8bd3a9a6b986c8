"""`quarry salvage`."""

import json
import shutil
from pathlib import Path

from tests.cli.test_verify import KEY, cut, file_of


def test_a_cut_file_ends_with_1_and_its_intact_rows_lie_in_staging(cli, grid):
    path = file_of(grid)
    cut(path, path.stat().st_size // 4)
    before = path.read_bytes()
    done = cli("salvage", path, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    output = Path(document["output"])
    assert output.parent == grid / "data" / "staging"
    assert output.name.startswith(f"{KEY.model}+{KEY.benchmark}.salvaged-")
    assert document["is_proven"]
    assert 0 < document["n_kept"] < document["n_rows"]
    assert document["n_kept"] + len(document["lost"]) == document["n_rows"]
    assert all(one["sample_id"] and one["reason"] for one in document["lost"])
    assert {found["kind"] for found in document["findings"]} == {"partial"}
    assert path.read_bytes() == before


def test_a_person_reads_how_much_was_kept_and_what_was_lost(cli, grid, tmp_path):
    cut(file_of(grid), file_of(grid).stat().st_size // 4)
    done = cli("salvage", file_of(grid), "--output", tmp_path / "kept.h5")
    assert done.returncode == 1
    assert "each proven by its digest" in done.stdout
    assert f"written to {tmp_path / 'kept.h5'}" in done.stdout
    assert "lost: row" in done.stdout
    assert (tmp_path / "kept.h5").exists()


def test_an_intact_file_outside_a_data_directory_is_kept_in_full_beside_it(cli, grid, tmp_path):
    path = tmp_path / "mine" / "old.h5"
    path.parent.mkdir()
    shutil.copy(file_of(grid), path)
    done = cli("salvage", path, "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["is_all"]
    assert document["output"] == str(path.with_name("old.salvaged.h5"))


def test_wrong_use_ends_with_2_an_empty_stdout_and_no_traceback(cli, grid, tmp_path):
    path = file_of(grid)
    for arguments in (
        ["none.h5"],
        [tmp_path],
        [path, "--output", path],
        [path, "--output", tmp_path / "gsm8k_trajectories.h5"],
        [],
    ):
        done = cli("salvage", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr
