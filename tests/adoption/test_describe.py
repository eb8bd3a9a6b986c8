"""A file is described byte for byte, whoever wrote it and however it is laid out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from quarry.errors import FileMissingError, IntegrityError
from quarry.keys import TrajectoryKey
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digest_table import table_path
from quarry.trajectory.digests import file_digest
from quarry.trajectory.extents import damaged_extents
from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.verification import verify
from tests.adoption.old_examples import good_example, write_old
from tests.trajectory.damage import flip_bit
from tests.trajectory.examples import publish_example

KEY = TrajectoryKey("olmo3_base", "gsm8k", 0)
LAYOUTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "shared chunks": ((4, 8, 1, 32), {}),
    "chunk of one sample": ((1, 16, 2, 64), {}),
    "contiguous": (None, {}),
    "user block": ((4, 8, 1, 32), {"userblock_size": 1024}),
    "newest format": ((4, 8, 1, 32), {"libver": "latest"}),
}


def test_our_own_file_is_described_as_its_writer_did(tmp_path: Path):
    path, published = publish_example(tmp_path)
    tables = sorted(path.parent.glob("*.npz"))
    manifest, _ = describe_file(path, origin="collected", rules_version=published.rules_version)
    assert replace(manifest, created_at=published.created_at) == published
    assert sorted(path.parent.glob("*.npz")) == tables


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_table_covers_every_byte_of_an_old_file_and_leaves_it_alone(name: str, tmp_path: Path):
    chunk, options = LAYOUTS[name]
    path = write_old(tmp_path / "old.h5", replace(good_example(), chunk=chunk), **options)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    manifest, table = describe_file(path, origin="adopted", cell=KEY)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert (manifest.format_version, manifest.origin, manifest.n_samples) == (0, "adopted", 24)
    assert manifest.blake3 == file_digest(path)
    assert int(table.extents["size"].sum()) == path.stat().st_size
    assert damaged_extents(path, table.extents) == []
    assert table.sample_ids[:2] == ("row/0", "row/1")
    assert (table.extents["row"] >= 0).any() == (chunk is not None)
    report = verify(path, manifest=manifest.named(path.name))
    assert "chunks_intact" in report.checks_run
    assert report.is_clean


def test_a_flipped_bit_of_a_described_file_is_found_with_its_rows(tmp_path: Path):
    path = write_old(tmp_path / "old.h5", good_example())
    manifest, table = describe_file(path, origin="adopted", cell=KEY)
    chunk = table.extents_of(8)[0]
    flip_bit(path, int(chunk["start"]) + int(chunk["size"]) // 2)
    found = verify(path, manifest=manifest).findings_of("chunks_intact")
    assert any("rows 8-11" in finding.where for finding in found)


def test_ids_that_were_found_out_change_the_table_and_not_the_data_version(tmp_path: Path):
    path = write_old(tmp_path / "old.h5", good_example())
    plain, _ = describe_file(path, origin="adopted", cell=KEY)
    named, table = describe_file(path, origin="adopted", cell=KEY, sample_ids={1: "gsm8k/test/7"})
    assert table.sample_ids[:3] == ("row/0", "gsm8k/test/7", "row/2")
    assert named.content_digest == plain.content_digest
    assert named.digests != plain.digests


def test_the_same_bytes_in_another_cell_are_another_version(tmp_path: Path):
    path = write_old(tmp_path / "old.h5", good_example())
    here, _ = describe_file(path, origin="adopted", cell=KEY)
    there, _ = describe_file(path, origin="adopted", cell=replace(KEY, model="olmo3_sft"))
    assert here.content_digest != there.content_digest
    assert here.digests == there.digests


def test_a_recompressed_file_has_the_same_data_version(tmp_path: Path):
    example = good_example()
    one = write_old(tmp_path / "a" / "old.h5", example)
    other = write_old(tmp_path / "b" / "old.h5", replace(example, chunk=(1, 8, 2, 64)))
    digests = [describe_file(p, origin="adopted", cell=KEY)[0].content_digest for p in (one, other)]
    assert digests[0] == digests[1]


def test_the_table_lies_beside_the_name_that_the_file_will_have(tmp_path: Path):
    path = write_old(tmp_path / "old.h5", good_example())
    final = tmp_path / "final.h5"
    manifest, _ = describe_file(path, origin="adopted", cell=KEY, beside=final)
    assert table_path(final, manifest.digests).is_file()
    assert manifest.file == "final.h5"
    assert not manifest_path(final).exists()


def test_a_file_that_can_not_be_read_is_an_error_and_leaves_nothing(tmp_path: Path):
    path = write_old(tmp_path / "old.h5", good_example())
    with h5py.File(path, "r+") as file:
        del file["prompts"]
    with pytest.raises(IntegrityError, match="prompts"):
        describe_file(path, origin="adopted", cell=KEY)
    with pytest.raises(FileMissingError):
        describe_file(tmp_path / "none.h5", origin="adopted", cell=KEY)
    assert list(tmp_path.iterdir()) == [path]
