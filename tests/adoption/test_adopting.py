"""Older files come into the data directory as they are, proven, once, and replace nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from quarry.adoption.adopting import Adopter
from quarry.adoption.old_files import find_files
from quarry.adoption.outcome import Adoption, Status
from quarry.catalog import Catalog
from quarry.keys import TrajectoryKey
from quarry.samples import Sample
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.manifest import manifest_path, pending_path, read_manifest
from quarry.trajectory.report import RULES_VERSION
from quarry.trajectory.verification import verify
from tests.adoption import old_examples as old
from tests.adoption.old_examples import edited, good_example, questions, write_old
from tests.trajectory.damage import append_bytes
from tests.trajectory.examples import publish_example

KEY = TrajectoryKey("olmo3_base", "gsm8k", 0)
PRINT_MARK = "from quarry.trajectory.staging import owner_mark; print(owner_mark())"
OLD = "old/olmo3_base/gsm8k_trajectories.h5"


@pytest.fixture
def adopter(tmp_path: Path, catalog: Catalog) -> Adopter:
    return Adopter(catalog, tmp_path / "data")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_old(tmp_path / OLD, good_example())


def adopt(adopter: Adopter, *paths: Path) -> list[Adoption]:
    folder = adopter.data_dir.parent
    return list(adopter.adopt_files(paths or find_files(folder / "old", adopter.data_dir)))


def final(adopter: Adopter) -> Path:
    return adopter.data_dir / KEY.trajectory_path


def state_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.stat().st_size,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("how", ["auto", "link", "copy"])
def test_a_clean_file_is_in_place_unchanged_and_proven(adopter: Adopter, source: Path, how):
    before = (source.read_bytes(), source.stat().st_mtime_ns)
    done = adopt(replace(adopter, how=how))
    assert [(one.status, one.key, one.is_clean) for one in done] == [(Status.ADOPTED, KEY, True)]
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before
    assert final(adopter).read_bytes() == before[0]
    assert final(adopter).samefile(source) == (how != "copy")
    manifest = read_manifest(manifest_path(final(adopter)))
    assert (manifest.origin, manifest.rules_version) == ("adopted", RULES_VERSION)
    report = verify(final(adopter))
    assert report.is_clean
    assert report.facts["values_proven_by_digests"]
    assert "manifest_missing" not in report.kinds()
    assert len(list(final(adopter).parent.iterdir())) == 3


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_second_run_does_nothing(adopter: Adopter, source: Path, how):
    adopter = replace(adopter, how=how)
    adopt(adopter)
    before = state_of(adopter.data_dir)
    done = adopt(adopter)
    assert [(one.status, one.is_clean) for one in done] == [(Status.ALREADY, True)]
    assert done[0].n_samples == 24
    assert state_of(adopter.data_dir) == before


def test_a_dry_run_examines_and_writes_nothing(adopter: Adopter, source: Path):
    done = adopt(replace(adopter, is_dry_run=True))
    assert [(one.status, one.is_clean) for one in done] == [(Status.WOULD_ADOPT, True)]
    assert not adopter.data_dir.exists()


def test_a_file_in_its_place_already_is_described_where_it_lies(adopter: Adopter):
    path = write_old(final(adopter), good_example())
    inode = path.stat().st_ino
    done = adopt(adopter, *find_files(adopter.data_dir, adopter.data_dir))
    assert [one.status for one in done] == [Status.ADOPTED]
    assert path.stat().st_ino == inode
    assert verify(path).is_clean


def test_a_damaged_file_that_opens_is_adopted_with_its_findings(adopter: Adopter, source: Path):
    edited(old.failed_samples)(source)
    (done,) = adopt(adopter)
    assert (done.status, done.is_clean) == (Status.ADOPTED, False)
    assert "error_row" in {found.kind for found in done.findings}
    assert read_manifest(manifest_path(final(adopter))).rules_version == ""
    report = verify(final(adopter))
    assert {"error_row", "all_zero"} <= report.kinds()
    assert not report.findings_of("chunks_intact")


def test_a_file_that_was_cut_off_is_put_in_place_and_nothing_vouches_for_it(
    adopter: Adopter, source: Path
):
    old.cut_off(source)
    (done,) = adopt(adopter)
    assert (done.status, done.is_clean) == (Status.UNPROVEN, False)
    assert final(adopter).read_bytes() == source.read_bytes()
    assert list(final(adopter).parent.iterdir()) == [final(adopter)]
    assert {"truncated", "manifest_missing"} <= verify(final(adopter), level="light").kinds()
    (again,) = adopt(adopter)
    assert (again.status, again.is_clean) == (Status.ALREADY, False)


def test_an_occupied_cell_is_left_alone(adopter: Adopter, source: Path):
    publish_example(adopter.data_dir, model="olmo3_base")
    before = state_of(adopter.data_dir)
    (done,) = adopt(adopter)
    assert (done.status, done.is_clean) == (Status.OCCUPIED, False)
    assert state_of(adopter.data_dir) == before


def test_a_clean_file_replaces_another_one_when_asked_to(adopter: Adopter, source: Path):
    publish_example(adopter.data_dir, model="olmo3_base")
    (done,) = adopt(replace(adopter, may_replace=True))
    assert done.status is Status.ADOPTED
    assert verify(final(adopter)).is_clean
    assert len(list(final(adopter).parent.iterdir())) == 3


def test_a_damaged_file_never_replaces_another_one(adopter: Adopter, source: Path):
    publish_example(adopter.data_dir, model="olmo3_base")
    before = state_of(adopter.data_dir)
    append_bytes(source)
    (done,) = adopt(replace(adopter, may_replace=True))
    assert done.status is Status.REFUSED
    assert "a damaged file replaces no other" in done.reason
    assert state_of(adopter.data_dir) == before


def test_several_files_for_one_cell_are_all_refused(adopter: Adopter, source: Path, tmp_path: Path):
    other = tmp_path / "old" / "again" / "olmo3_base" / "gsm8k_trajectories.h5"
    write_old(other, good_example(seed=4))
    done = adopt(adopter)
    assert {one.status for one in done} == {Status.REFUSED}
    assert str(other) in done[0].reason
    assert not adopter.data_dir.exists()
    assert [one.status for one in adopt(adopter, other)] == [Status.ADOPTED]


def test_the_same_file_under_two_names_is_adopted_once(
    adopter: Adopter, source: Path, tmp_path: Path
):
    other = tmp_path / "old" / "link" / "olmo3_base" / "gsm8k_trajectories.h5"
    other.parent.mkdir(parents=True)
    other.hardlink_to(source)
    assert {one.status for one in adopt(adopter)} == {Status.ADOPTED, Status.ALREADY}


def test_a_file_outside_the_grid_is_refused_and_the_others_are_adopted(
    adopter: Adopter, source: Path, tmp_path: Path
):
    example = replace(good_example(), attributes=None)
    write_old(tmp_path / "old" / "gpt2" / "gsm8k_trajectories.h5", example)
    done = {one.path.parent.name: one for one in adopt(adopter)}
    assert done["gpt2"].status is Status.REFUSED
    assert done["olmo3_base"].status is Status.ADOPTED
    files = [path for path in adopter.data_dir.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(final(adopter).parent) for path in files)


def test_a_file_that_names_its_model_by_the_hub_is_adopted(adopter: Adopter, tmp_path: Path):
    example = good_example()
    assert example.attributes
    example.attributes["model"] = "allenai/Olmo-3-1025-7B"
    write_old(tmp_path / "old" / "x.h5", example)
    (done,) = adopt(adopter)
    assert (done.status, done.key, done.is_clean) == (Status.ADOPTED, KEY, True)


def test_a_file_that_is_being_written_is_refused(adopter: Adopter, tmp_path: Path):
    path = write_old(tmp_path / OLD, good_example(), libver=("v110", "v110"))
    with path.open("r+b") as file:
        file.seek(11)
        file.write(b"\1")
    (done,) = adopt(adopter)
    assert done.status is Status.REFUSED
    assert "never closed" in done.reason


def test_rows_get_the_ids_of_the_samples_that_they_ask(adopter: Adopter, source: Path):
    samples = [Sample(f"gsm8k/test/{i * 2}", q, "1") for i, q in enumerate(questions(20))]
    (done,) = adopt(replace(adopter, samples_of=lambda key: samples))
    assert (done.n_matched, done.n_samples) == (20, 24)
    manifest = read_manifest(manifest_path(final(adopter)))
    ids = read_table(final(adopter), manifest.digests).sample_ids
    assert ids[:2] == ("gsm8k/test/0", "gsm8k/test/2")
    assert ids[-1] == "row/23"


@pytest.mark.parametrize("how", ["link", "copy"])
def test_an_adoption_that_was_killed_is_finished_by_the_next_one(
    adopter: Adopter, source: Path, how
):
    """Killed before the manifest got its name; earlier, with only a temporary name left."""
    adopter = replace(adopter, how=how)
    adopt(adopter)
    manifest_path(final(adopter)).rename(pending_path(final(adopter)))
    assert [one.status for one in adopt(adopter)] == [Status.ALREADY]
    assert verify(final(adopter)).is_clean
    child = subprocess.run([sys.executable, "-c", PRINT_MARK], capture_output=True, text=True)
    left = final(adopter).with_name(f".{final(adopter).name}{child.stdout.strip()}adopt")
    final(adopter).rename(left)
    manifest_path(final(adopter)).unlink()
    assert [one.status for one in adopt(adopter)] == [Status.ADOPTED]
    assert len(list(final(adopter).parent.iterdir())) == 3


def test_our_own_file_that_lost_its_manifest_is_proven_anew(adopter: Adopter):
    path, published = publish_example(adopter.data_dir, model="olmo3_base")
    manifest_path(path).unlink()
    (done,) = adopt(adopter, path)
    assert (done.status, done.is_clean) == (Status.ADOPTED, True)
    again = read_manifest(manifest_path(path))
    assert (again.content_digest, again.blake3) == (published.content_digest, published.blake3)


def test_a_damaged_manifest_is_not_made_anew(adopter: Adopter):
    path, _ = publish_example(adopter.data_dir, model="olmo3_base")
    os.truncate(manifest_path(path), 300)
    before = state_of(adopter.data_dir)
    (done,) = adopt(adopter, path)
    assert done.status is Status.OCCUPIED
    assert "quarry repair" in done.reason
    assert state_of(adopter.data_dir) == before


def test_a_manifest_of_an_older_version_is_made_anew_where_it_proves_the_file(adopter: Adopter):
    path, published = publish_example(adopter.data_dir, model="olmo3_base")
    older = {"format_version": 1, "file": path.name, "blake3": published.blake3, "digest": "x"}
    manifest_path(path).write_text(str(older).replace("'", '"'))
    (done,) = adopt(adopter, path)
    assert (done.status, done.is_clean) == (Status.ADOPTED, True)
    assert read_manifest(manifest_path(path)).origin == "collected"


def test_a_file_that_was_cut_off_in_its_place_stays_there(adopter: Adopter):
    path = write_old(final(adopter), good_example())
    old.cut_off(path)
    (done,) = adopt(adopter, path)
    assert (done.status, done.is_clean) == (Status.ALREADY, False)


def test_a_file_that_lacks_a_dataset_is_refused(adopter: Adopter, source: Path):
    with h5py.File(source, "r+") as file:
        del file["model_outputs"]
    (done,) = adopt(adopter)
    assert done.status is Status.REFUSED
    assert not final(adopter).exists()


def test_a_new_file_under_the_old_name_is_another_one(adopter: Adopter, source: Path):
    adopt(adopter)
    source.unlink()
    write_old(source, good_example(seed=9))
    (done,) = adopt(adopter)
    assert done.status is Status.OCCUPIED
