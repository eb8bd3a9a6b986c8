"""`quarry inspect`."""

import json

import pytest

from quarry.keys import TrajectoryKey
from tests.audit.grid_on_disk import D_MODEL, LAYERS, N_SAMPLES

KEY = TrajectoryKey("tiny_a", "gsm8k", 0)


@pytest.fixture
def file(pristine_grid):
    return pristine_grid / "data" / KEY.trajectory_path


def test_the_document_has_header_shapes_lengths_sample_and_label(cli, file):
    done = cli("inspect", file, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["header"]["model"] == "tiny_a"
    shape = document["datasets"]["trajectories"]["shape"]
    assert shape == [N_SAMPLES, 32, len(LAYERS), D_MODEL]
    assert document["sequence_lengths"]["min"] == 8
    assert document["sample"]["model_output"] == " There are 2.\n#### 2"
    assert document["label"]["verdict"] == "correct"


@pytest.mark.parametrize("sample", ["7", "gsm8k/test/7"])
def test_a_sample_is_named_by_position_or_id(cli, file, sample):
    document = json.loads(cli("inspect", file, "--sample", sample, "--json").stdout)
    assert document["sample"]["index"] == 7
    assert document["sample"]["sample_id"] == "gsm8k/test/7"
    assert document["label"]["verdict"] == "incorrect"


def test_a_person_reads_prompt_output_and_label(cli, file):
    done = cli("inspect", file)
    assert done.returncode == 0
    for text in ("tiny_a", "8 x 32 x 2 x 16", "--- prompt\nQuestion: 0 apples", "correct"):
        assert text in done.stdout


def test_a_file_outside_a_data_directory_has_no_label(cli, file, tmp_path):
    for path in file.parent.glob("gsm8k_trajectories.h5*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    document = json.loads(cli("inspect", tmp_path / file.name, "--json").stdout)
    assert document["label"] is None


@pytest.mark.parametrize("sample", ["8", "-1", "gsm8k/test/99"])
def test_a_sample_that_is_not_there_ends_with_2_and_names_the_range(cli, file, sample):
    done = cli("inspect", file, f"--sample={sample}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "0 .. 7" in done.stderr


def test_a_damaged_file_is_not_opened(cli, grid):
    path = grid / "data" / KEY.trajectory_path
    path.write_bytes(path.read_bytes()[:-4096])
    done = cli("inspect", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "truncated" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_directory_can_not_be_inspected(cli, tmp_path):
    done = cli("inspect", tmp_path)
    assert done.returncode == 2
    assert "a directory" in done.stderr


def test_entries_of_an_entry_have_lines_of_their_own_and_whole_values(cli, file):
    lines = cli("inspect", file).stdout.split("\nsample 0")[0].splitlines()
    assert any(line.startswith("| generation.max_new_tokens |") for line in lines)
    header = json.loads(cli("inspect", file, "--json").stdout)["header"]
    for name, value in header["engine"].items():
        line = next(line for line in lines if line.startswith(f"| engine.{name} "))
        assert json.dumps(value) in line
