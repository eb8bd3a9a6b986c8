"""`quarry repair`."""

import json
import shutil

import pytest

from tests.cli.test_verify import cut, file_of


@pytest.fixture
def backup(pristine_grid, tmp_path):
    return shutil.copytree(pristine_grid / "data", tmp_path / "backup")


def test_a_cut_file_is_whole_again_from_the_same_cell_of_another_directory(
    cli, grid, pristine_grid, backup
):
    path = file_of(grid)
    cut(path)
    done = cli("repair", path, "--from", backup, "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["is_whole"]
    assert document["size_change_bytes"] == 4096
    assert 4096 <= document["bytes_fetched"] == document["bytes_written"]
    assert path.read_bytes() == file_of(pristine_grid).read_bytes()


def test_a_person_reads_what_was_damaged_and_what_was_fetched(cli, grid, backup):
    cut(file_of(grid))
    done = cli("repair", file_of(grid), "--from", backup / file_of(grid).relative_to(grid / "data"))
    assert done.returncode == 0
    assert ": whole" in done.stdout
    assert "size changed by +4,096 bytes" in done.stdout


def test_a_missing_file_is_fetched(cli, grid, pristine_grid, backup):
    shutil.rmtree(file_of(grid).parent)
    done = cli("repair", file_of(grid), "--from", backup, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["restored"] == ["file", "manifest", "digests"]
    assert file_of(grid).read_bytes() == file_of(pristine_grid).read_bytes()


def test_without_a_copy_damage_ends_with_1_and_names_the_way_out(cli, grid):
    cut(file_of(grid))
    done = cli("repair", file_of(grid))
    assert done.returncode == 1
    assert "still damaged" in done.stdout
    assert "quarry salvage" in done.stdout


def test_a_copy_of_another_version_ends_with_2_and_changes_nothing(cli, grid, backup):
    other = next(path for path in backup.rglob("*_trajectories.h5") if "tiny_b" in str(path))
    size = file_of(grid).stat().st_size
    done = cli("repair", file_of(grid), "--from", other)
    assert (done.returncode, done.stdout) == (2, "")
    assert "another version" in done.stderr
    assert file_of(grid).stat().st_size == size


def test_wrong_use_ends_with_2_an_empty_stdout_and_no_traceback(cli, grid, tmp_path):
    path = file_of(grid)
    (tmp_path / "same.h5").symlink_to(path)
    for arguments in (
        ["none.h5"],
        [tmp_path],
        [path, "--from", tmp_path],
        [path, "--from", tmp_path / "same.h5"],
        [],
    ):
        done = cli("repair", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr
