"""Repair from a good copy: exactly the damaged bytes are replaced, and only by proven ones."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from quarry.errors import UsageError
from quarry.repair.good_copy import LocalCopy
from quarry.repair.repairing import repair
from quarry.trajectory.digest_table import Extents, read_table, table_path
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from quarry.trajectory.verification import verify
from tests.trajectory.damage import append_bytes, flip_bit, overwrite
from tests.trajectory.examples import publish_example

SEED = 20_260_301


class CountedCopy:
    """A local copy that counts what is asked of it, and breaks off where it is told to."""

    def __init__(
        self, path: Path, break_off: Callable[[], None] = lambda: None, after: int = 3
    ) -> None:
        self.copy = LocalCopy(path)
        self.break_off = break_off
        self.after = after
        self.ranges: list[tuple[int, int]] = []

    @property
    def n_bytes(self) -> int:
        return sum(size for _, size in self.ranges)

    def manifest(self) -> Manifest:
        return self.copy.manifest()

    def table(self, digest: str) -> bytes:
        return self.copy.table(digest)

    def read_range(self, offset: int, size: int) -> bytes:
        if len(self.ranges) == self.after:
            self.break_off()
        self.ranges.append((offset, size))
        return self.copy.read_range(offset, size)


@pytest.fixture
def good(published: Path, tmp_path: Path) -> Path:
    """A copy of the published file, with manifest and table."""
    return shutil.copytree(published.parent, tmp_path / "good") / published.name


def extents_of(path: Path) -> Extents:
    return read_table(path, read_manifest(manifest_path(path)).digests).extents


def damage_at_random(path: Path, rng: random.Random) -> None:
    """One of the ways in which files were found broken, at a random place."""
    size = path.stat().st_size
    at = rng.randrange(size)
    match rng.choice(["cut", "bit", "page", "tail", "swap", "longer", "holes"]):
        case "cut":
            os.truncate(path, at)
        case "bit":
            flip_bit(path, at, rng.randrange(8))
        case "page":
            overwrite(path, at // 4096 * 4096, bytes(4096)[: size - at // 4096 * 4096])
        case "tail":
            overwrite(path, at, bytes(size - at))
        case "swap":
            overwrite(path, at, rng.randbytes(min(20_000, size - at)))
        case "longer":
            append_bytes(path)
        case _:
            for _ in range(6):
                overwrite(path, rng.randrange(size - 600), bytes(600))


def test_fifty_damaged_files_are_whole_again_for_no_more_than_their_damaged_extents(
    published: Path, good: Path
) -> None:
    whole, extents, rng = published.read_bytes(), extents_of(good), random.Random(SEED)
    for case in range(50):
        published.write_bytes(whole)
        damage_at_random(published, rng)
        damaged = damaged_extents(published, extents)
        copy = CountedCopy(good)
        result = repair(published, copy)
        assert result.is_whole, (SEED, case, result.findings)
        assert published.read_bytes() == whole, (SEED, case)
        assert copy.n_bytes == result.bytes_fetched == int(extents["size"][damaged].sum())
        assert len(result.damaged) == len(damaged)


def test_neighbouring_damage_is_fetched_at_once(published: Path, good: Path) -> None:
    os.truncate(published, published.stat().st_size // 2)
    copy = CountedCopy(good)
    assert len(repair(published, copy).damaged) > 5
    assert len(copy.ranges) == 1


def test_an_intact_file_is_not_touched(published: Path, good: Path) -> None:
    before, copy = published.stat(), CountedCopy(good)
    result = repair(published, copy)
    assert result.is_whole
    assert (result.damaged, copy.ranges, result.restored) == ((), [], ())
    assert published.stat().st_mtime_ns == before.st_mtime_ns
    assert published.stat().st_ino == before.st_ino


def test_an_interruption_leaves_nothing_worse_and_the_next_run_goes_on(
    published: Path, good: Path
) -> None:
    whole, extents = published.read_bytes(), extents_of(good)
    for start in extents["start"][::4].tolist():
        overwrite(published, start + 5, b"\xff\x01\x02")
    before = set(damaged_extents(published, extents))

    def reset() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        repair(published, CountedCopy(good, reset))
    left = set(damaged_extents(published, extents))
    assert len(left) == len(before) - 3
    assert left < before
    copy = CountedCopy(good)
    assert repair(published, copy).is_whole
    assert len(copy.ranges) == len(left)
    assert published.read_bytes() == whole


def test_bytes_that_the_copy_lost_too_are_left_alone_until_another_copy_has_them(
    published: Path, good: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(good.parent, tmp_path / "other") / good.name
    extents = extents_of(good)
    here, there = (int(extents["start"][i]) for i in (8, 14))
    for position in (here, there):
        flip_bit(published, position)
    flip_bit(good, there)
    broken = published.read_bytes()[there : there + 100]
    result = repair(published, LocalCopy(good))
    assert not result.is_whole
    assert damaged_extents(published, extents) == [14]
    assert published.read_bytes()[there : there + 100] == broken
    unrepaired = next(found for found in result.findings if found.kind == "not_repaired")
    assert f"bytes {there}-" in unrepaired.where
    assert str(good) in unrepaired.got
    assert repair(published, LocalCopy(other)).is_whole


def test_a_file_whose_tail_the_copy_lost_too_still_shows_that_it_is_cut(
    published: Path, good: Path
) -> None:
    extents = extents_of(good)
    first, size = int(extents["start"][-6]), published.stat().st_size
    os.truncate(published, first)
    flip_bit(good, int(extents["start"][-3]))
    result = repair(published, LocalCopy(good))
    assert published.stat().st_size == int(extents["start"][-3]) < size
    assert "truncated" in verify(published, level="light").kinds()
    assert result.bytes_written == result.size_change_bytes > 0


def test_a_missing_file_is_fetched_whole(published: Path, good: Path) -> None:
    shutil.rmtree(published.parent)
    result = repair(published, LocalCopy(good))
    assert result.is_whole
    assert set(result.restored) == {"file", "manifest", "digests"}
    assert published.read_bytes() == good.read_bytes()
    names = {path.name for path in good.parent.iterdir()}
    assert {path.name for path in published.parent.iterdir()} == names


def test_fetching_a_missing_file_goes_on_where_a_killed_process_stopped(tmp_path: Path) -> None:
    path, _ = publish_example(tmp_path, d_model=512, max_seq_len=800)
    whole = path.read_bytes()
    good = shutil.copytree(path.parent, tmp_path / "good") / path.name
    path.unlink()
    child = os.fork()
    if child == 0:
        repair(path, CountedCopy(good, lambda: os._exit(9), after=1))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not path.exists()
    copy = CountedCopy(good)
    assert repair(path, copy).is_whole
    assert 0 < copy.n_bytes < len(whole)
    assert path.read_bytes() == whole
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize("is_deleted", [True, False])
@pytest.mark.parametrize("what", ["manifest", "digests"])
def test_a_lost_proof_is_taken_from_the_copy_and_the_file_stays_as_it_is(
    published: Path, good: Path, what: str, is_deleted: bool
) -> None:
    digest = read_manifest(manifest_path(published)).digests
    lost = manifest_path(published) if what == "manifest" else table_path(published, digest)
    lost.unlink() if is_deleted else flip_bit(lost, 300)
    before = published.stat().st_mtime_ns
    result = repair(published, LocalCopy(good))
    assert result.is_whole
    assert result.restored == (what,)
    assert published.stat().st_mtime_ns == before
    assert lost.read_bytes() == (good.parent / lost.name).read_bytes()


def test_proofs_and_bytes_are_mended_in_one_go(published: Path, good: Path) -> None:
    digest = read_manifest(manifest_path(published)).digests
    manifest_path(published).unlink()
    table_path(published, digest).unlink()
    flip_bit(published, published.stat().st_size // 2)
    result = repair(published, LocalCopy(good))
    assert result.is_whole
    assert set(result.restored) == {"manifest", "digests"}
    assert published.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_copy_of_another_version_is_refused(
    published: Path, tmp_path: Path, has_manifest: bool
) -> None:
    other, _ = publish_example(tmp_path / "other", seed=5)
    flip_bit(published, published.stat().st_size // 2)
    if not has_manifest:
        manifest_path(published).unlink()
    before = published.read_bytes()
    with pytest.raises(UsageError, match="another version"):
        repair(published, LocalCopy(other))
    assert published.read_bytes() == before
    assert manifest_path(published).exists() == has_manifest


def test_a_lost_table_is_made_anew_from_an_intact_file(published: Path) -> None:
    before = read_manifest(manifest_path(published))
    table_path(published, before.digests).unlink()
    result = repair(published)
    assert result.is_whole
    assert result.restored == ("digests",)
    after = read_manifest(manifest_path(published))
    assert (after.blake3, after.content_digest) == (before.blake3, before.content_digest)
    assert read_table(published, after.digests).sample_ids


def test_trailing_bytes_are_cut_without_a_copy(published: Path) -> None:
    whole = published.read_bytes()
    append_bytes(published)
    result = repair(published)
    assert result.is_whole
    assert (result.size_change_bytes, result.bytes_fetched) == (-len(b"trailing"), 0)
    assert published.read_bytes() == whole


def test_damage_without_a_copy_is_named_and_nothing_is_written(published: Path) -> None:
    flip_bit(published, published.stat().st_size // 2)
    before = published.read_bytes()
    result = repair(published)
    assert not result.is_whole
    unrepaired = next(found for found in result.findings if found.kind == "not_repaired")
    assert "salvage" in unrepaired.cure
    assert published.read_bytes() == before


def test_a_file_with_a_second_name_is_mended_without_touching_the_other(
    published: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(published.parent, copy)
    original = tmp_path / "original.h5"
    original.hardlink_to(published)
    flip_bit(published, published.stat().st_size // 2)
    damaged = original.read_bytes()
    assert repair(published, LocalCopy(copy / published.name)).is_whole
    assert original.read_bytes() == damaged
