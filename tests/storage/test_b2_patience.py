"""Found by the soak: what outlasted its caller, left something behind or named the wrong cause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.errors import StorageDeadlineError
from quarry.repair.repairing import repair
from quarry.storage import b2_retry
from quarry.storage.b2 import B2Store
from quarry.storage.b2_lock import object_lock
from quarry.storage.limits import Limits
from quarry.storage.mirror import RemoteCopy, mirror
from quarry.trajectory.digest_table import table_path
from quarry.trajectory.manifest import manifest_path, read_manifest
from tests.b2_server import B2Server, Fault, FaultKind
from tests.storage.b2_stores import b2_store
from tests.storage.store_hooks import NAME, put, write
from tests.trajectory.damage import flip_bit


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server() as running:
        yield running


@pytest.fixture
def store(server: B2Server, tmp_path: Path) -> B2Store:
    return b2_store(server, tmp_path / "locks")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(b2_retry, "FIRST_PAUSE_S", 0.02)


@pytest.mark.timeout(30)
def test_a_range_that_trickles_in_ends_with_its_callers_patience(
    server: B2Server, store: B2Store, tmp_path: Path
):
    put(store, write(tmp_path / "source", 100_000))
    # Whole only after 1,000 s: without an end of its own the test would run into its time limit.
    server.faults.add(Fault(FaultKind.SLOW_BODY, times=None, bytes_per_s=100))
    with pytest.raises(StorageDeadlineError, match="a slow one"):
        store.read_range(NAME, 0, 100_000, deadline_s=1)


def test_a_pause_of_our_own_is_not_said_to_be_the_services(server: B2Server, store: B2Store):
    server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, "list_file_versions", times=None))
    with pytest.raises(StorageDeadlineError, match="503") as raised:
        store.head(NAME, deadline_s=4)
    assert "asked for" not in str(raised.value)


def test_who_waits_for_another_upload_is_told_so(tmp_path: Path):
    with (
        object_lock(tmp_path, "b2://bucket/a", Limits("An upload", "a", 10)),
        pytest.raises(StorageDeadlineError, match="another upload of the object runs"),
        object_lock(tmp_path, "b2://bucket/a", Limits("An upload", "a", 0.3)),
    ):
        pass


def test_a_large_file_whose_start_was_not_heard_of_is_taken_up(
    server: B2Server, store: B2Store, tmp_path: Path
):
    source = write(tmp_path / "source", 100_000)
    server.faults.add(Fault(FaultKind.LOST_ANSWER, "start_large_file"))
    put(store, source)
    assert server.count("start_large_file") == 1
    assert server.unfinished() == []
    assert server.content(NAME) == source.read_bytes()


def test_a_store_that_does_not_answer_is_no_store_without_a_table(
    server: B2Server, store: B2Store, published: Path
):
    mirror(published, NAME, store)
    table_path(published, read_manifest(manifest_path(published)).digests).unlink()
    server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, name="*.npz", times=None))
    with pytest.raises(StorageDeadlineError, match="503"):
        repair(published, RemoteCopy(store, NAME, deadline_s=4))
    server.faults.clear()
    assert repair(published, RemoteCopy(store, NAME)).is_whole


def test_a_copy_without_a_whole_manifest_is_named(
    server: B2Server, store: B2Store, published: Path
):
    mirror(published, NAME, store)
    manifest = manifest_path(published).name
    for path in list(published.parent.iterdir()):
        path.unlink()
    server.rot(f"{NAME.rpartition('/')[0]}/{manifest}", 300)
    findings = repair(published, RemoteCopy(store, NAME)).findings
    assert findings[0].kind == "copy_unusable"
    assert manifest in findings[0].where
    assert "damaged" in findings[0].got


def test_a_copy_whose_table_is_damaged_is_named_where_the_table_is_needed(
    server: B2Server, store: B2Store, published: Path
):
    mirror(published, NAME, store)
    table = table_path(published, read_manifest(manifest_path(published)).digests)
    table.unlink()
    server.rot(f"{NAME.rpartition('/')[0]}/{table.name}", 300)
    assert repair(published, RemoteCopy(store, NAME)).is_whole  # the intact file proves itself
    for path in published.parent.glob("*.npz"):
        path.unlink()
    flip_bit(published, published.stat().st_size // 2)
    findings = repair(published, RemoteCopy(store, NAME)).findings
    assert [one.where for one in findings if one.kind == "copy_unusable"] == [
        f"{store}/{NAME.rpartition('/')[0]}/{table.name}"
    ]


def test_what_a_failed_repair_had_fetched_is_taken_up_by_the_same_process(
    server: B2Server, store: B2Store, published: Path
):
    mirror(published, NAME, store)
    before = {path.name: path.read_bytes() for path in published.parent.iterdir()}
    for path in list(published.parent.iterdir()):
        path.unlink()
    server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, "download_*", NAME, times=None))
    with pytest.raises(StorageDeadlineError):
        repair(published, RemoteCopy(store, NAME, deadline_s=1))
    server.faults.clear()
    assert repair(published, RemoteCopy(store, NAME)).is_whole
    assert {path.name: path.read_bytes() for path in published.parent.iterdir()} == before
