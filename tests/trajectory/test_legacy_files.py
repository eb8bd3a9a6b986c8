"""Files of the older pipelines are examined without a crash; their old defects are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from quarry.findings import Finding
from quarry.trajectory.report import CHECKS, Report
from quarry.trajectory.verification import verify
from tests.trajectory.damage import left_padded, set_states
from tests.trajectory.examples import write_legacy


def errors_of(report: Report) -> set[tuple[str, str]]:
    return {(found.check, found.kind) for found in report.errors}


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    return write_legacy(tmp_path / "old" / "gsm8k_trajectories.h5")


def test_a_good_old_file_gets_warnings_only(legacy: Path) -> None:
    report = verify(legacy)
    assert report.is_clean
    assert report.kinds() == {"manifest_missing", "legacy_layout", "attributes_missing"}
    assert set(CHECKS) - set(report.checks_run) == {"chunks_intact"}


@pytest.mark.parametrize("options", [{"libver": ("v108", "v108")}, {"userblock_size": 1024}])
def test_old_versions_and_user_blocks_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    assert verify(write_legacy(tmp_path / "old.h5", **options)).is_clean


def test_phantom_rows_of_a_too_large_array_are_flagged(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "humaneval_trajectories.h5", n_rows=50)
    report = verify(path)
    assert ("rows_complete", "phantom_row") in errors_of(report)
    assert [
        one.where.rpartition("rows ")[2] for one in report.findings if one.kind == "phantom_row"
    ] == ["12-49"]


def test_error_rows_are_flagged(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["model_outputs"][3] = "ERROR: timeout"
        file["trajectories"][3] = 0
    assert ("rows_complete", "error_row") in errors_of(verify(legacy))


def test_all_zero_activations_are_flagged(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["trajectories"][:] = 0
    assert ("activations_sane", "all_zero") in errors_of(verify(legacy))


def test_lengths_set_to_the_maximum_are_flagged(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["sequence_lengths"][:] = 60
    found = errors_of(verify(legacy))
    assert ("lengths_plausible", "constant_at_maximum") in found
    assert ("activations_sane", "zero_tail") in found


def test_padding_in_front_is_flagged(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        left_padded(file)
    assert ("activations_sane", "pad_prefix") in errors_of(verify(legacy))


def test_prompts_cut_to_the_same_beginning_are_flagged(legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        file["sequence_lengths"][:] = 5
        file["trajectories"][:] = file["trajectories"][0]
    found = errors_of(verify(legacy))
    assert ("activations_sane", "duplicate_states") in found
    assert ("lengths_plausible", "constant") in found


def test_a_nan_row_is_flagged(legacy: Path) -> None:
    set_states(3, np.nan, slice(2, 3))(legacy)
    assert ("activations_sane", "non_finite") in errors_of(verify(legacy))


def test_half_of_the_rows_unwritten_is_flagged_by_map_and_size(tmp_path: Path) -> None:
    path = tmp_path / "half.h5"
    rng = np.random.default_rng(3)
    text = h5py.string_dtype("utf-8")
    with h5py.File(path, "w") as file:
        states = file.create_dataset(
            "trajectories", (16, 40, 4, 64), "f2", chunks=(4, 8, 1, 32), compression="gzip"
        )
        states[:4] = rng.standard_normal((4, 40, 4, 64))
        file["sequence_lengths"] = np.arange(20, 36, dtype=np.int32)
        file["is_correct"] = np.zeros(16, dtype=bool)
        for name in ("prompts", "model_outputs", "ground_truth"):
            values = np.asarray([f"{name} {row}" for row in range(16)], dtype=object)
            file.create_dataset(name, data=values, dtype=text)
    report = verify(path, level="structure")
    assert errors_of(report) == {("layout_valid", "missing_chunk"), ("file_complete", "size_law")}
    where = [found.where for found in report.findings if found.kind == "missing_chunk"]
    assert [text.rpartition("rows ")[2] for text in where] == ["4-7", "8-11", "12-15"]


def test_findings_survive_as_plain_values(legacy: Path) -> None:
    for found in verify(legacy).findings:
        assert Finding(**found.as_dict()) == found
