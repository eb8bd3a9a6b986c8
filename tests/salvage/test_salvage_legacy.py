"""Salvage of files of the older pipelines: chunks of one sample, and chunks that samples share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from quarry.salvage.salvaging import SalvageResult, salvage
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.layout import TrajectoryRow
from quarry.trajectory.manifest import manifest_path, read_manifest, write_manifest
from quarry.trajectory.verification import verify
from tests.trajectory.damage import flip_bit, overwrite
from tests.trajectory.examples import make_header, make_rows

OWN_CHUNKS = (1, 8, 3, 64)
SHARED_CHUNKS = (4, 8, 1, 32)
N_ROWS = 100


def is_labelled_correct(row: int) -> bool:
    return row % 3 == 0


@pytest.fixture(scope="module")
def rows() -> list[TrajectoryRow]:
    return make_rows(make_header(n_samples=N_ROWS))


def write_old_file(path: Path, rows: list[TrajectoryRow], chunks: tuple[int, ...]) -> Path:
    """Labels and texts first, as gzip-4, in the oldest format that HDF5 writes."""
    text, n = h5py.string_dtype("utf-8"), len(rows)
    states = np.zeros((n, *make_header().shape[1:]), dtype=np.float16)
    for index, row in enumerate(rows):
        states[index, : len(row.hidden_states)] = row.hidden_states
    with h5py.File(path, "w") as file:
        file.attrs.update({"model": "olmo3_base", "task": "gsm8k", "n_samples": n})
        file["sequence_lengths"] = np.asarray([len(row.hidden_states) for row in rows], np.int32)
        file["is_correct"] = np.asarray([is_labelled_correct(index) for index in range(n)])
        for name, field in (("prompts", "prompt"), ("model_outputs", "model_output")):
            values = np.asarray([getattr(row, field) for row in rows], dtype=object)
            file.create_dataset(name, data=values, dtype=text)
        truths = np.asarray([row.ground_truth for row in rows], dtype=object)
        file.create_dataset("ground_truth", data=truths, dtype=text)
        file.create_dataset(
            "trajectories", data=states, chunks=chunks, compression="gzip", compression_opts=4
        )
    return path


def adopt(path: Path) -> None:
    manifest, _ = describe_file(path, origin="adopted")
    write_manifest(manifest_path(path), manifest)


def require_right_rows(result: SalvageResult, rows: list[TrajectoryRow]) -> None:
    """Compare the new file with what the rows were made as, number by number."""
    assert result.output is not None
    with h5py.File(result.output) as file:
        assert file["original_rows"][:].tolist() == list(result.kept)
        assert file.attrs["partial_of"] == len(rows)
        assert file.attrs["n_samples"] == result.n_kept
        assert file.attrs["model"] == "olmo3_base"
        for place, original in enumerate(result.kept):
            row = rows[original]
            n = int(file["sequence_lengths"][place])
            assert np.array_equal(file["trajectories"][place, :n], row.hidden_states)
            assert not file["trajectories"][place, n:].any()
            assert file["prompts"][place].decode() == row.prompt
            assert file["model_outputs"][place].decode() == row.model_output
            assert file["ground_truth"][place].decode() == row.ground_truth
            if "is_correct" in file:
                assert file["is_correct"][place] == is_labelled_correct(original)


@pytest.mark.parametrize("chunks", [OWN_CHUNKS, SHARED_CHUNKS])
def test_of_an_old_file_cut_by_2_8_percent_at_least_96_percent_of_the_rows_are_kept(
    tmp_path: Path, rows: list[TrajectoryRow], chunks: tuple[int, ...]
) -> None:
    path = write_old_file(tmp_path / "gsm8k_trajectories.h5", rows, chunks)
    os.truncate(path, int(path.stat().st_size * (1 - 0.028)))
    before = path.read_bytes()
    result = salvage(path, tmp_path / "gsm8k_trajectories.salvaged.h5")
    sys.stdout.write(f"chunks {chunks}: {result.n_kept} of {N_ROWS} rows kept\n")
    assert result.n_kept >= 96
    assert result.n_kept + len(result.lost) == N_ROWS
    require_right_rows(result, rows)
    assert path.read_bytes() == before


def test_the_new_file_stores_one_sample_a_chunk_without_padding(
    tmp_path: Path, rows: list[TrajectoryRow]
) -> None:
    path = write_old_file(tmp_path / "old.h5", rows, SHARED_CHUNKS)
    os.truncate(path, int(path.stat().st_size * 0.972))
    result = salvage(path, tmp_path / "new.h5")
    assert result.output is not None
    with h5py.File(result.output) as file:
        data = file["trajectories"]
        step = data.chunks[1]
        lengths = file["sequence_lengths"][:]
        assert data.chunks[0] == 1
        assert data.compression is None
        assert data.id.get_num_chunks() == int((-(-lengths // step)).sum())
    assert {found.kind for found in verify(result.output).errors} <= {"partial"}
    manifest = read_manifest(manifest_path(result.output))
    assert (manifest.origin, manifest.n_samples) == ("salvaged", result.n_kept)
    ids = read_table(result.output, manifest.digests).sample_ids
    assert ids == tuple(f"row/{row}" for row in result.kept)


@pytest.mark.parametrize("chunks", [OWN_CHUNKS, SHARED_CHUNKS])
def test_of_an_adopted_file_only_rows_that_their_digests_prove_are_kept(
    tmp_path: Path, rows: list[TrajectoryRow], chunks: tuple[int, ...]
) -> None:
    path = write_old_file(tmp_path / "old.h5", rows, chunks)
    adopt(path)
    flip_bit(path, path.read_bytes().index(rows[5].prompt.encode()))
    flip_bit(path, path.stat().st_size // 2)
    result = salvage(path, tmp_path / "new.h5")
    assert result.is_proven
    assert 5 in {one.row for one in result.lost}
    assert {one.sample_id for one in result.lost} >= {"row/5"}
    assert 100 > result.n_kept >= 95
    require_right_rows(result, rows)


def test_labels_whose_bytes_no_digest_proves_are_left_out_and_said_to_be(
    tmp_path: Path, rows: list[TrajectoryRow]
) -> None:
    path = write_old_file(tmp_path / "old.h5", rows, OWN_CHUNKS)
    adopt(path)
    with h5py.File(path) as file:
        start = file["is_correct"].id.get_offset()
    flip_bit(path, start + 40)
    result = salvage(path, tmp_path / "new.h5")
    assert result.output is not None
    assert not result.is_all
    lost = next(found for found in result.findings if found.kind == "column_lost")
    assert "is_correct" in lost.where
    assert "grade" in lost.cure
    with h5py.File(result.output) as file:
        assert "is_correct" not in file


def test_rows_that_share_a_damaged_chunk_are_lost_and_the_others_kept(
    tmp_path: Path, rows: list[TrajectoryRow]
) -> None:
    path = write_old_file(tmp_path / "old.h5", rows, SHARED_CHUNKS)
    with h5py.File(path) as file:
        info = file["trajectories"].id.get_chunk_info_by_coord((8, 0, 1, 32))
    overwrite(path, info.byte_offset + 20, b"\xff" * 40)
    result = salvage(path, tmp_path / "new.h5")
    assert {one.row for one in result.lost} == {8, 9, 10, 11}
    require_right_rows(result, rows)


def test_phantom_and_unwritten_rows_are_not_kept(tmp_path: Path, rows: list[TrajectoryRow]) -> None:
    path = write_old_file(tmp_path / "old.h5", rows, OWN_CHUNKS)
    with h5py.File(path, "r+") as file:
        file["trajectories"][90:] = 0
        file["prompts"][3] = ""
        file["sequence_lengths"][4] = 61
        file["trajectories"][6, 2, 1] = np.nan
    os.truncate(path, path.stat().st_size - 8)
    result = salvage(path, tmp_path / "new.h5")
    assert {one.row for one in result.lost} >= {3, 4, 6, *range(90, 100)}
    assert result.n_kept >= 80
    require_right_rows(result, rows)


def test_a_float32_file_is_refused_with_its_type(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["trajectories"] = np.ones((2, 3, 4, 5), dtype=np.float32)
        file["sequence_lengths"] = np.ones(2, dtype=np.int32)
    result = salvage(path, tmp_path / "new.h5")
    assert result.output is None
    assert "float32" in result.findings[0].got
