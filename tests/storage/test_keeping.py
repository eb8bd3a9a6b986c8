"""A copy is stored, proven and recorded, in this order, and what is recorded is true."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    StorageCancelledError,
    StorageDeadlineError,
    UsageError,
)
from quarry.storage.keeping import examine_copy, keep_copy
from quarry.storage.mirror import RemoteCopy
from quarry.trajectory.manifest import manifest_path
from tests.b2_server import Fault, FaultKind
from tests.storage.copy_places import NAME, Place
from tests.storage.store_hooks import digest_of
from tests.trajectory.damage import append_bytes, flip_bit
from tests.trajectory.examples import publish_example

LABELS = "labels/0shot/demo_base/gsm8k_labels.parquet"


def test_file_and_proofs_are_recorded_together(place: Place, published: Path) -> None:
    seen: list[tuple[int, int]] = []
    kept = keep_copy(
        published, NAME, place.store, place.ledger, progress=lambda *now: seen.append(now)
    )
    assert kept.entry == place.ledger.entry(place.store, NAME)
    assert kept.entry.blake3 == digest_of(published)
    assert kept.bytes_sent == sum(path.stat().st_size for path in published.parent.iterdir())
    assert seen[-1] == (kept.entry.size_bytes, kept.entry.size_bytes)
    assert place.names() == {path.name for path in published.parent.iterdir()}
    assert len(kept.proofs) == 2
    place.require_true()


def test_what_the_store_has_is_recorded_without_sending(place: Place, published: Path) -> None:
    first = keep_copy(published, NAME, place.store, place.ledger)
    place.ledger.path.unlink()
    second = keep_copy(published, NAME, place.store, place.ledger)
    assert second.bytes_sent == 0
    assert second.entry.version == first.entry.version
    assert place.names() == {path.name for path in published.parent.iterdir()}


def test_a_table_without_a_manifest_is_one_object(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "gsm8k_labels.parquet"
    file.write_bytes(b"PAR1" + bytes(range(256)) * 40 + b"PAR1")
    kept = keep_copy(file, LABELS, place.store, place.ledger)
    assert (kept.proofs, kept.bytes_sent) == ((), file.stat().st_size)
    assert kept.entry.blake3 == digest_of(file)
    assert [info.name for info in place.store.objects("")] == [LABELS]
    file.write_bytes(b"PAR1 other PAR1")
    newer = keep_copy(file, LABELS, place.store, place.ledger)
    assert place.ledger.entries(place.store) == [newer.entry]
    assert newer.entry.version != kept.entry.version


def test_an_empty_table_is_kept_too(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "empty.parquet"
    file.touch()
    assert keep_copy(file, "labels/empty.parquet", place.store, place.ledger).bytes_sent == 0
    place.require_true()
    assert len(place.ledger.entries(place.store)) == 1


def test_the_table_of_an_older_version_is_not_recorded_any_more(
    place: Place, tmp_path: Path
) -> None:
    file, _ = publish_example(tmp_path / "data")
    keep_copy(file, NAME, place.store, place.ledger)
    publish_example(tmp_path / "data", seed=1)
    keep_copy(file, NAME, place.store, place.ledger)
    assert place.names() == {path.name for path in file.parent.iterdir()}


def test_only_published_files_are_kept(place: Place, published: Path, tmp_path: Path) -> None:
    for file, error in (
        (tmp_path / "missing.parquet", FileMissingError),
        (tmp_path / ".being_written.parquet", UsageError),
    ):
        with pytest.raises(error):
            keep_copy(file, NAME, place.store, place.ledger)
    append_bytes(published)
    with pytest.raises(IntegrityError):
        keep_copy(published, NAME, place.store, place.ledger)
    manifest_path(published).unlink()
    with pytest.raises(FileMissingError, match="manifest is missing"):
        keep_copy(published, NAME, place.store, place.ledger)
    assert list(place.store.objects("")) == place.ledger.entries(place.store) == []


def test_damage_that_the_light_look_can_not_see_is_not_stored(
    place: Place, published: Path
) -> None:
    flip_bit(published, published.stat().st_size // 2)
    with pytest.raises(IntegrityError):
        keep_copy(published, NAME, place.store, place.ledger)
    assert list(place.store.objects("")) == place.ledger.entries(place.store) == []


def test_a_file_that_changes_while_it_is_sent_is_not_recorded(
    place: Place, published: Path
) -> None:
    def change(done_bytes: int, size_bytes: int) -> None:
        append_bytes(published)

    with pytest.raises(IntegrityError):
        keep_copy(published, NAME, place.store, place.ledger, progress=change)
    assert place.ledger.entries(place.store) == []
    assert place.store.head(NAME) is None


def test_again_stores_new_versions_of_the_same_bytes(place: Place, published: Path) -> None:
    first = keep_copy(published, NAME, place.store, place.ledger)
    second = keep_copy(published, NAME, place.store, place.ledger, again=True)
    assert second.bytes_sent == first.bytes_sent
    assert second.entry.version != first.entry.version
    assert len(place.store.versions(NAME)) == 2
    place.require_true()


def test_a_damaged_head_is_condemned_and_sent_anew_by_the_next_run(
    place: Place, published: Path
) -> None:
    keep_copy(published, NAME, place.store, place.ledger)
    place.rot(NAME, 100)
    with pytest.raises(IntegrityError, match="not what was stored"):
        keep_copy(published, NAME, place.store, place.ledger)
    assert place.ledger.entry(place.store, NAME) is None
    kept = keep_copy(published, NAME, place.store, place.ledger)
    assert kept.bytes_sent == published.stat().st_size
    assert examine_copy(published, NAME, place.store, place.ledger, level="full") == []
    assert RemoteCopy(place.store, NAME).manifest().blake3 == kept.entry.blake3


def test_rot_that_a_full_look_finds_is_sent_anew_by_the_next_run(
    place: Place, published: Path
) -> None:
    keep_copy(published, NAME, place.store, place.ledger)
    place.rot(NAME, published.stat().st_size // 2)
    assert examine_copy(published, NAME, place.store, place.ledger) == []
    found = examine_copy(published, NAME, place.store, place.ledger, level="full")
    assert [one.kind for one in found] == ["remote_damaged"]
    assert place.ledger.entry(place.store, NAME) is None
    keep_copy(published, NAME, place.store, place.ledger)
    assert examine_copy(published, NAME, place.store, place.ledger, level="full") == []
    assert place.ledger.entry(place.store, NAME) is not None


def test_a_file_whose_proofs_are_gone_is_not_recorded_as_good(
    place: Place, published: Path
) -> None:
    keep_copy(published, NAME, place.store, place.ledger)
    place.lose(f"{NAME}.manifest.json")
    found = examine_copy(published, NAME, place.store, place.ledger, level="full")
    assert [one.kind for one in found] == ["remote_missing"]
    assert place.ledger.entry(place.store, NAME) is None
    assert {one.state for one in place.ledger.condemned(place.store)} == {"missing", "unproven"}
    kept = keep_copy(published, NAME, place.store, place.ledger)
    assert kept.bytes_sent == manifest_path(published).stat().st_size


def test_a_cancelled_upload_records_nothing(place: Place, published: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StorageCancelledError):
        keep_copy(published, NAME, place.store, place.ledger, cancel=cancel)
    assert place.ledger.entries(place.store) == []


def test_bytes_that_went_bad_on_the_way_into_storage_are_not_recorded(
    b2_place: Place, published: Path
) -> None:
    place, server = b2_place, b2_place.server
    assert server is not None
    server.faults.add(Fault(FaultKind.CORRUPT_IN_STORAGE, "upload_part", at=0.1))
    with pytest.raises(IntegrityError):
        keep_copy(published, NAME, place.store, place.ledger)
    assert place.ledger.entries(place.store) == []
    assert keep_copy(published, NAME, place.store, place.ledger).bytes_sent > 0


def test_one_deadline_holds_for_all_objects(b2_place: Place, published: Path) -> None:
    assert b2_place.server is not None
    b2_place.server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, times=None))
    with pytest.raises(StorageDeadlineError):
        keep_copy(published, NAME, b2_place.store, b2_place.ledger, deadline_s=0.3)
