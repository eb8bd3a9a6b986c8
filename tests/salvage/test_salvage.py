"""Salvage of our own format: every row that is whole is kept, none that is not."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from quarry.errors import FileMissingError, UsageError
from quarry.guard.guarded import ChildOutcome
from quarry.salvage.result import Survey
from quarry.salvage.salvaging import SalvageResult, salvage, salvaged_path
from quarry.salvage.view import lookup3
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.kept_rows import kept_rows
from quarry.trajectory.layout import TrajectoryRow
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.reader import TrajectoryReader
from tests.trajectory.damage import flip_bit, overwrite
from tests.trajectory.examples import make_header, make_row, make_rows, publish_example, stage

SEED = 20_260_301
KEY = make_header().key


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file of 100 samples that no test may change."""
    return publish_example(tmp_path_factory.mktemp("large"), n_samples=100)[0]


@pytest.fixture
def damaged(large: Path, tmp_path: Path) -> Path:
    """The same file, its manifest and table, to be damaged."""
    target = tmp_path / "data" / KEY.trajectory_path
    target.parent.mkdir(parents=True)
    for path in large.parent.iterdir():
        (target.parent / path.name).write_bytes(path.read_bytes())
    return target


def output_of(path: Path) -> Path:
    return salvaged_path(path.parents[3], KEY)


def require_right_rows(result: SalvageResult, rows: list[TrajectoryRow]) -> None:
    """Compare what was kept with what the rows were made as, number by number."""
    assert result.output is not None
    assert set(result.kept) | {one.row for one in result.lost} == set(range(len(rows)))
    with TrajectoryReader(result.output) as reader:
        assert reader.header.partial_of == len(rows)
        assert reader.n_samples == result.n_kept
        for row, got in zip(result.kept, reader.iterate(), strict=True):
            for name, value in vars(rows[row]).items():
                assert np.array_equal(getattr(got, name), value), (row, name)


def test_of_a_file_cut_by_2_8_percent_at_least_96_percent_of_the_rows_are_kept(
    damaged: Path,
) -> None:
    header = make_header(n_samples=100)
    table = read_table(damaged, read_manifest(manifest_path(damaged)).digests)
    end = int(damaged.stat().st_size * (1 - 0.028))
    os.truncate(damaged, end)
    before = damaged.stat()
    result = salvage(damaged, output_of(damaged))
    behind = table.extents[table.extents["start"] + table.extents["size"] > end]
    lost = {int(row) for row in behind["row"] if row >= 0}
    sys.stdout.write(f"{result.n_kept} of 100 rows kept, {len(lost)} lie behind the cut\n")
    assert result.n_kept >= 96
    assert {one.row for one in result.lost} >= lost
    require_right_rows(result, make_rows(header))
    assert result.report is not None
    assert result.report.kinds() == {"partial"}
    after = damaged.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


def test_the_new_file_is_proven_row_by_row_and_found_in_staging(damaged: Path) -> None:
    os.truncate(damaged, damaged.stat().st_size // 2)
    result = salvage(damaged, output_of(damaged))
    assert result.output is not None
    manifest = read_manifest(manifest_path(result.output))
    assert manifest.origin == "salvaged"
    assert manifest.blake3
    with kept_rows(damaged.parents[3], KEY) as sources:
        assert [len(list(source.sample_ids)) for source in sources] == [result.n_kept]
        assert all(source.row(one) is not None for source in sources for one in source.sample_ids)
    assert len(list(result.output.parent.iterdir())) == 3


def test_of_files_damaged_at_random_no_wrong_row_is_ever_kept(damaged: Path) -> None:
    rows, whole, rng = (
        make_rows(make_header(n_samples=100)),
        damaged.read_bytes(),
        random.Random(SEED),
    )
    shares: list[int] = []
    for case in range(12):
        damaged.write_bytes(whole)
        for _ in range(rng.choice([1, 4, 16])):
            at = rng.randrange(4096, len(whole) - 4096)
            if rng.random() < 0.5:
                overwrite(damaged, at // 4096 * 4096, bytes(4096))
            else:
                flip_bit(damaged, at, rng.randrange(8))
        if rng.random() < 0.4:
            os.truncate(damaged, rng.randrange(len(whole) // 3, len(whole)))
        result = salvage(damaged, output_of(damaged))
        shares.append(result.n_kept)
        if result.n_kept:
            require_right_rows(result, rows)
        assert result.is_proven, (SEED, case)
    sys.stdout.write(f"rows kept of 100, seed {SEED}: {shares}\n")
    assert max(shares) >= 90


def test_without_a_manifest_rows_with_holes_are_lost_and_the_others_kept(damaged: Path) -> None:
    table = read_table(damaged, read_manifest(manifest_path(damaged)).digests)
    manifest_path(damaged).unlink()
    for row in (7, 30):
        extent = table.extents_of(row)[0]
        overwrite(damaged, int(extent["start"]) + 600, bytes(1100))
    os.truncate(damaged, int(damaged.stat().st_size * 0.972))
    result = salvage(damaged, output_of(damaged))
    assert not result.is_proven
    assert {7, 30} < {one.row for one in result.lost}
    assert result.n_kept >= 94
    require_right_rows(result, make_rows(make_header(n_samples=100)))


def test_an_intact_file_without_a_manifest_is_kept_in_full(damaged: Path) -> None:
    manifest_path(damaged).unlink()
    result = salvage(damaged, output_of(damaged))
    assert result.is_all
    require_right_rows(result, make_rows(make_header(n_samples=100)))


def test_a_file_that_was_never_closed_gives_what_was_flushed(damaged: Path) -> None:
    header, rows = make_header(n_samples=100), make_rows(make_header(n_samples=100))
    copy = damaged.with_name("unclosed.h5")
    with h5py.File(damaged, "r+", libver=("v110", "v110")) as file:
        file["sequence_lengths"][60:] = 0  # rows that were not written yet
        file["samples/ids"][60:] = ""
        file.flush()
        copy.write_bytes(damaged.read_bytes())
    assert copy.read_bytes()[11] & 1
    assert header.n_samples == 100
    result = salvage(copy, copy.with_name("kept.h5"))
    assert result.kept == tuple(range(60))
    assert "never written" in result.lost[0].reason
    require_right_rows(result, rows)
    assert copy.read_bytes()[11] & 1


def test_a_hole_in_the_texts_on_which_hdf5_hangs_costs_only_their_rows(damaged: Path) -> None:
    manifest_path(damaged).unlink()
    heap = damaged.read_bytes().index(b"GCOL", 200_000)
    overwrite(damaged, heap + 500, bytes(512))
    result = salvage(damaged, output_of(damaged))
    assert 60 <= result.n_kept < 100
    assert any("texts" in one.reason for one in result.lost)
    require_right_rows(result, make_rows(make_header(n_samples=100)))


def test_after_a_crash_the_row_at_fault_is_given_up_and_the_others_are_asked_for() -> None:
    survey = Survey(Path("x.h5"))
    begun = [{"facts": {"n_rows": 6}}, {"at": [0, 0]}, {"kept": [0]}, {"at": [1, 1]}]
    assert survey.absorb(ChildOutcome(begun, "killed by SIGSEGV"))
    assert survey.known() == {"kept": [0], "lost": [1], "left_out": []}
    assert "SIGSEGV" in survey.lost[1].reason
    more = [{"at": [2, 2]}, {"kept": [2]}, {"at": [3, 3]}, {"lost": [3, "a/3", "cut"]}]
    assert survey.absorb(ChildOutcome([*more, {"at": [4, 5]}], "killed by SIGPROF"))
    assert not survey.absorb(ChildOutcome([{"at": [0, -1]}]))
    survey.close()
    assert (survey.kept, sorted(survey.lost)) == ([0, 2], [1, 3, 4, 5])


def test_a_child_that_makes_no_progress_is_not_asked_for_ever() -> None:
    survey = Survey(Path("x.h5"), n_rows=3)
    assert not survey.absorb(ChildOutcome([{"at": [0, -1]}], "killed by SIGSEGV"))
    survey.close()
    assert sorted(survey.lost) == [0, 1, 2]
    assert [found.kind for found in survey.findings] == ["nothing_kept"]


def test_hardly_any_time_ends_in_findings_and_never_in_a_wrong_row(damaged: Path) -> None:
    result = salvage(damaged, output_of(damaged), cpu_s=1e-6)
    assert len(result.kept) + len(result.lost) == 100
    if result.output is None:
        assert result.findings
        assert not list(damaged.parents[3].glob("staging/*"))
    else:
        require_right_rows(result, make_rows(make_header(n_samples=100)))


@pytest.mark.parametrize("head", [b"", bytes(64), b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n\3"])
def test_a_file_without_a_head_gives_nothing_and_says_why(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "headless.h5"
    path.write_bytes(head)
    result = salvage(path, tmp_path / "kept.h5")
    assert (result.output, result.n_kept) == (None, 0)
    assert [found.kind for found in result.findings] == ["nothing_kept"]
    assert [one.name for one in tmp_path.iterdir()] == ["headless.h5"]


def test_a_published_files_name_or_an_existing_file_is_no_output(damaged: Path) -> None:
    for output in (damaged, damaged.with_name("logiqa_trajectories.h5")):
        with pytest.raises(UsageError, match="can't be written there"):
            salvage(damaged, output)
    with pytest.raises(FileMissingError):
        salvage(damaged.with_name("none.h5"), output_of(damaged))


def test_a_file_that_is_being_written_is_left_alone(damaged: Path) -> None:
    with h5py.File(damaged, "r+"), pytest.raises(UsageError, match="being written"):
        salvage(damaged, output_of(damaged))


def test_what_is_salvaged_of_a_salvaged_file_is_still_part_of_the_whole(tmp_path: Path) -> None:
    header = make_header(n_samples=4, partial_of=9)
    staged = stage(tmp_path, header, [make_row(index, header) for index in range(4)])
    os.truncate(staged.path, staged.path.stat().st_size - 9000)
    result = salvage(staged.path, tmp_path / "again.h5")
    assert result.output is not None
    with TrajectoryReader(result.output) as reader:
        assert (reader.header.partial_of, reader.n_samples) == (9, result.n_kept)


@pytest.mark.parametrize(
    ("text", "digest"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)]
)
def test_the_checksum_is_the_published_one(text: bytes, digest: int) -> None:
    assert lookup3(text) == digest
