"""`quarry reforward`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.semantic.collected import Collected, collected, open_tiny, write
from tests.semantic.faults import INTACT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    """What a model gave, whose directory the file names."""
    folder = tmp_path_factory.mktemp("models")
    with open_tiny(folder, "llama") as engine:
        what = collected(engine)
    header = replace(what.header, model_source=f"path:{folder / 'llama'}")
    return replace(what, header=header)


def reforward(cli, tmp_path: Path, *arguments: object):
    return cli("reforward", *arguments, "--lease-dir", tmp_path / "leases", "--device", "cpu")


def test_a_file_is_compared_with_the_model_that_it_names(cli, made, tmp_path):
    path = write(tmp_path / "data", made)
    done = reforward(cli, tmp_path, path, "--rows", "0", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["is_confirmed"]
    assert document["files"][0]["facts"]["rows"] == 6
    assert document["files"][0]["facts"]["weights"] == "those of the file"


def test_leases_are_where_the_machines_are(cli, made, tmp_path):
    path, leases = write(tmp_path / "data", made), tmp_path / "everybodys"
    done = cli("reforward", path, "--device", "cpu", QUARRY_LEASE_DIR=str(leases))
    assert done.returncode == 0, done.stderr
    assert (leases / "cpu.lock").exists()


def test_a_wrong_file_ends_with_1_is_explained_and_remembered(cli, made, tmp_path):
    path = write(tmp_path / "data", made, INTACT["layers one too early"].fault)
    clean = tmp_path / "clean" / path.name
    clean.parent.mkdir()
    good = write(tmp_path / "other", made)
    for file in good.parent.iterdir():
        shutil.copy(file, clean.parent / file.name)
    done = reforward(cli, tmp_path, path, clean)
    assert done.returncode == 1, done.stderr
    assert "differs" in done.stdout
    assert "agrees" in done.stdout
    assert "Hidden states are those of another layer: 1 layer earlier" in done.stdout
    assert "  fix: " in done.stdout
    assert len(list((tmp_path / "data" / "state" / "semantic").iterdir())) == 1


def test_a_model_that_is_not_there_ends_with_1_and_says_so(cli, made, tmp_path):
    header = replace(made.header, model_source=f"path:{tmp_path / 'nowhere'}")
    path = write(tmp_path / "data", replace(made, header=header))
    done = reforward(cli, tmp_path, path)
    assert done.returncode == 1
    assert "can't be told" in done.stdout
    assert "--model" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["no/such/file.h5"], [], ["{file}", "--model", "org/name"], ["{file}", "--rows", "-1"]],
)
def test_wrong_use_ends_with_2_an_empty_stdout_and_no_traceback(cli, made, tmp_path, arguments):
    path = write(tmp_path / "data", made)
    done = reforward(cli, tmp_path, *(text.format(file=path) for text in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr
