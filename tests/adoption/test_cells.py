"""A file is mapped by path and attributes, and refused with a reason where they don't agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quarry.adoption.cells import cell_of
from quarry.adoption.old_files import OldFile, find_files, introduce
from quarry.catalog import Catalog
from quarry.keys import TrajectoryKey
from tests.adoption.old_examples import good_example, write_old

BASE = TrajectoryKey("olmo3_base", "gsm8k", 0)
BASE8 = TrajectoryKey("olmo3_base", "gsm8k", 8)
HUB = "allenai/Olmo-3-1025-7B"

MAPPED: list[tuple[str, dict[str, Any], int | None, TrajectoryKey]] = [
    ("olmo3_base/gsm8k_trajectories.h5", {}, None, BASE),
    ("olmo3_base/gsm8k_trajectories.h5", {}, 0, BASE),
    ("olmo3_base/gsm8k_trajectories.h5", {}, 8, BASE8),
    ("0shot/olmo3_base/gsm8k_trajectories.h5", {}, 0, BASE),
    ("8shot/olmo3_base/gsm8k_trajectories.h5", {}, 8, BASE8),
    ("8shot/olmo3_base/gsm8k_trajectories.h5", {}, 3, BASE8),
    ("trajectories_8shot/olmo3_base/gsm8k_trajectories.h5", {}, None, BASE8),
    ("olmo3_base/gsm8k_trajectories.h5", {"n_shot": "8"}, 8, BASE8),
    ("run7/x.h5", {"model": "olmo3_base", "task": "gsm8k", "n_shot": "0"}, None, BASE),
    ("run7/x.hdf5", {"model": HUB, "task": "GSM8K", "n_shot": "8"}, None, BASE8),
    ("run7/x.h5", {"model": f"/models/{HUB}/", "task": "gsm8k"}, None, BASE),
    ("olmo3_base/gsm8k_trajectories.h5", {"model": HUB}, None, BASE),
]
REFUSED: list[tuple[str, dict[str, Any], int | None, str]] = [
    ("olmo3_base/mmlu_trajectories.h5", {}, None, "task is not in catalog 'small'"),
    ("other_model/gsm8k_trajectories.h5", {}, None, "model is not in catalog 'small'"),
    ("5shot/olmo3_base/gsm8k_trajectories.h5", {}, 5, "5 shots are not in the grid"),
    ("run7/x.h5", {}, None, "the folder says 'run7'"),
    ("olmo3_base/gsm8k_trajectories.h5", {"model": "gpt2"}, None, "attribute model says 'gpt2'"),
    ("olmo3_sft/gsm8k_trajectories.h5", {"model": HUB}, None, "contradictory"),
    ("olmo3_base/gsm8k_trajectories.h5", {"task": "humaneval"}, None, "contradictory"),
    ("8shot/olmo3_base/gsm8k_trajectories.h5", {"n_shot": "0"}, 0, "contradictory"),
    ("0shot/olmo3_base/gsm8k_trajectories.h5", {}, 8, "the prompts show 8"),
    ("olmo3_base/..%2f..%2fgsm8k_trajectories.h5", {}, None, "task is not in catalog"),
    ("olmo3_base/$(id)_trajectories.h5", {}, None, "task is not in catalog"),
    ("olmo3_base|gsm8k-0shot/gsm8k_trajectories.h5", {}, None, "model is not in catalog"),
    ("olmo3_base/gsm8k\n_trajectories.h5", {}, None, r"gsm8k\n_traj"),
]


@pytest.mark.parametrize(("path", "attributes", "n_examples", "key"), MAPPED)
def test_a_file_is_mapped_to_its_cell(
    path: str, attributes: dict[str, Any], n_examples: int | None, key: TrajectoryKey, catalog
):
    assert cell_of(OldFile(Path("/old", path), attributes, n_examples), catalog).key == key


@pytest.mark.parametrize(("path", "attributes", "n_examples", "reason"), REFUSED)
def test_a_file_that_can_not_be_mapped_has_a_reason(
    path: str, attributes: dict[str, Any], n_examples: int | None, reason: str, catalog
):
    guess = cell_of(OldFile(Path("/old", path), attributes, n_examples), catalog)
    assert guess.key is None
    assert reason in guess.reason


@pytest.mark.parametrize("n_shot", [0, 8])
def test_the_prompts_tell_the_number_of_shots(n_shot: int, tmp_path: Path, catalog: Catalog):
    path = tmp_path / "olmo3_base" / "gsm8k_trajectories.h5"
    example = good_example(n_shot=n_shot)
    assert example.attributes
    del example.attributes["n_samples"]
    example.attributes.pop("n_shot", None)
    guess = cell_of(introduce(write_old(path, example)), catalog)
    assert guess.key == TrajectoryKey("olmo3_base", "gsm8k", n_shot)
    assert guess.reason == f"{n_shot} shots: by the prompts"


def test_what_is_no_trajectory_file_is_refused(tmp_path: Path, catalog: Catalog):
    import h5py

    text, empty, other = (tmp_path / f"{name}_trajectories.h5" for name in ("text", "no", "o"))
    text.write_text("not HDF5 at all")
    empty.touch()
    with h5py.File(other, "w") as file:
        file["weights"] = [1.0]
    reasons = [cell_of(introduce(path), catalog).reason for path in (text, empty, other)]
    assert "does not begin as HDF5 files do" in reasons[0]
    assert "empty" in reasons[1]
    assert "no dataset 'trajectories'" in reasons[2]


def test_hidden_files_and_all_but_trajectories_of_the_platform_are_passed_over(tmp_path: Path):
    wanted = ["old/a.h5", "data/trajectories/0shot/m/gsm8k_trajectories.h5", "old/b.hdf5"]
    others = ["old/.a.h5.by-x.adopt", "old/.hid/a.h5", "data/staging/a.h5", "data/labelled/x.h5"]
    for name in (*wanted, *others, "old/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_files(tmp_path, tmp_path / "data")
    assert sorted(str(path.relative_to(tmp_path)) for path in found) == sorted(wanted)
