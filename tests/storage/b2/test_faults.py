"""What goes wrong between `B2Store` and the service, through real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    StorageDeadlineError,
    StorageError,
    StorageRefusedError,
)
from quarry.storage.b2 import B2Store
from tests.b2_server import B2Server, Fault, FaultKind
from tests.storage.b2_stores import N_PARTS, b2_store
from tests.storage.store_hooks import NAME, digest_of, put

PASSING = [
    FaultKind.SERVICE_UNAVAILABLE,
    FaultKind.INTERNAL_ERROR,
    FaultKind.REQUEST_TIMEOUT,
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.EXPIRED_AUTH_TOKEN,
    FaultKind.RESET_BEFORE_ANSWER,
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_survived_at_every_request(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path, kind: FaultKind
):
    for operation in (
        "authorize_account",
        "list_buckets",
        "list_file_versions",
        "start_large_file",
        "get_upload_part_url",
        "upload_part",
        "finish_large_file",
        "download_*",
    ):
        if "auth" not in operation or kind is not FaultKind.EXPIRED_AUTH_TOKEN:
            server.faults.add(Fault(kind, f"*{operation}", retry_after_s=0))
    put(store, large)
    store.download(NAME, tmp_path / "target", blake3=digest_of(large))
    assert (tmp_path / "target").read_bytes() == large.read_bytes()
    assert server.faults.fired(kind) >= 6
    assert len(store.versions(NAME)) == 1


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (FaultKind.RESET_IN_UPLOAD, "small"),
        (FaultKind.RESET_IN_UPLOAD, "large"),
        (FaultKind.LOST_ANSWER, "small"),
        (FaultKind.LOST_ANSWER, "large"),
        (FaultKind.WRONG_SHA1_RETURNED, "large"),
    ],
)
def test_a_broken_upload_is_tried_again_and_stored_once(
    server: B2Server,
    store: B2Store,
    request: pytest.FixtureRequest,
    kind: FaultKind,
    size: str,
):
    source: Path = request.getfixturevalue(size)
    server.faults.add(Fault(kind, "upload_*", times=3 if size == "large" else 1))
    if kind is FaultKind.LOST_ANSWER:
        server.faults.add(Fault(kind, "finish_large_file"))
    info = put(store, source)
    assert server.faults.fired(kind) > 0
    assert server.content(NAME) == source.read_bytes()
    assert store.versions(NAME) == [info]
    assert server.unfinished() == []


def test_a_store_that_says_it_took_something_else_is_an_error(
    server: B2Server, store: B2Store, small: Path
):
    server.faults.add(Fault(FaultKind.WRONG_SHA1_RETURNED, "upload_file"))
    with pytest.raises(StorageError, match="something else than was sent"):
        put(store, small)


def test_a_part_that_the_store_keeps_wrongly_is_sent_anew_by_the_next_run(
    server: B2Server, store: B2Store, large: Path
):
    server.faults.add(Fault(FaultKind.WRONG_SHA1_STORED, "upload_part"))
    with pytest.raises(StorageError, match="run it again") as raised:
        put(store, large)
    assert not isinstance(raised.value, StorageRefusedError)
    assert store.head(NAME) is None
    put(store, large)
    assert server.count("upload_part") == N_PARTS + 1
    assert server.content(NAME) == large.read_bytes()


@pytest.mark.parametrize("kind", [FaultKind.RESET_IN_DOWNLOAD, FaultKind.TRUNCATED_BODY])
def test_a_download_that_breaks_off_is_asked_for_again(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path, kind: FaultKind
):
    put(store, large)
    server.faults.add(Fault(kind, times=7))
    store.download(NAME, tmp_path / "target", blake3=digest_of(large))
    assert (tmp_path / "target").read_bytes() == large.read_bytes()
    server.faults.add(Fault(kind, times=2))
    assert store.read_range(NAME, 10, 1000) == large.read_bytes()[10:1010]
    assert server.faults.fired(kind) == 9


def test_bytes_that_change_on_the_wire_never_reach_the_final_name(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path
):
    put(store, large)
    server.faults.add(Fault(FaultKind.CORRUPT_ON_WIRE))
    with pytest.raises(IntegrityError, match="other bytes"):
        store.download(NAME, tmp_path / "target", blake3=digest_of(large))
    assert not (tmp_path / "target").exists()
    store.download(NAME, tmp_path / "target", blake3=digest_of(large))


@pytest.mark.parametrize(
    "kind", [FaultKind.STORAGE_CAP_EXCEEDED, FaultKind.TRANSACTION_CAP_EXCEEDED]
)
def test_a_cap_ends_an_upload_at_its_first_request(
    server: B2Server, store: B2Store, small: Path, kind: FaultKind
):
    server.faults.add(Fault(kind, "upload_file", times=None))
    with pytest.raises(StorageRefusedError, match="a cap of the account is exceeded"):
        put(store, small)
    assert server.faults.fired(kind) == 1
    assert store.head(NAME) is None


def test_a_missing_permission_ends_an_upload_and_is_named(
    server: B2Server, large: Path, tmp_path: Path
):
    key = server.create_key(["listBuckets", "listFiles", "readFiles"])
    with pytest.raises(StorageRefusedError, match=r"Unauthorized.*\n?.*writeFiles") as raised:
        put(b2_store(server, tmp_path / "locks", key), large)
    assert server.count("start_large_file") == 1
    assert key[1] not in str(raised.value)


def test_a_key_that_may_not_delete_is_enough_to_mirror_and_restore(
    server: B2Server, large: Path, small: Path, tmp_path: Path
):
    key = server.create_key(["listBuckets", "listFiles", "readFiles", "writeFiles"])
    store = b2_store(server, tmp_path / "locks", key)
    put(store, small)
    info = put(store, large)
    store.download(NAME, tmp_path / "target", blake3=digest_of(large))
    with pytest.raises(StorageRefusedError, match="deleteFiles"):
        store.delete(NAME, info.version)
    assert len(store.versions(NAME)) == 2


def test_a_wrong_key_ends_the_call_and_is_not_shown(server: B2Server, tmp_path: Path):
    store = b2_store(server, tmp_path / "locks", (server.key_id, "a wrong secret"))
    with pytest.raises(StorageRefusedError, match="refused") as raised:
        store.head(NAME)
    assert server.count("authorize_account") == 1
    shown = f"{raised.value!r}{raised.value}{vars(store)}{vars(store._account)}"
    assert "a wrong secret" not in shown
    assert server.key_id not in shown


def test_an_account_leaves_no_file(
    server: B2Server, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("B2_ACCOUNT_INFO", str(tmp_path / "home" / "account"))
    (tmp_path / "home").mkdir()
    put(b2_store(server, tmp_path / "locks"), small)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_service_that_stays_down_ends_with_the_deadline_and_the_first_cause(
    server: B2Server, store: B2Store, large: Path
):
    server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, "upload_part", times=None))
    with pytest.raises(StorageDeadlineError, match="503"):
        put(store, large, deadline_s=4)
    server.faults.clear()
    put(store, large)
    assert server.content(NAME) == large.read_bytes()


def test_a_pause_beyond_the_deadline_is_not_begun(server: B2Server, store: B2Store):
    fault = Fault(FaultKind.TOO_MANY_REQUESTS, "list_file_versions", retry_after_s=3600)
    server.faults.add(fault)
    with pytest.raises(StorageDeadlineError, match="a pause of 3600 s"):
        store.head(NAME, deadline_s=60)


@pytest.mark.parametrize("kind", [FaultKind.STALLED_BODY, FaultKind.SLOW_BODY, FaultKind.STALLED])
def test_a_download_that_stands_still_ends_with_the_deadline(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path, kind: FaultKind
):
    put(store, large)
    server.faults.add(Fault(kind, "download_*", times=None, bytes_per_s=100))
    with pytest.raises(StorageDeadlineError):
        store.download(NAME, tmp_path / "target", blake3=digest_of(large), deadline_s=1)
    assert list(tmp_path.glob("*target*")) == []


def test_an_upload_that_stands_still_ends_with_the_deadline(
    server: B2Server, store: B2Store, large: Path
):
    server.faults.add(Fault(FaultKind.STALLED, "upload_part", times=None))
    with pytest.raises(StorageDeadlineError):
        put(store, large, deadline_s=1)
    assert store.head(NAME) is None


def test_corruption_in_storage_is_found_by_our_digest_alone(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path
):
    server.faults.add(Fault(FaultKind.CORRUPT_IN_STORAGE, "upload_part"))
    info = put(store, large)
    assert info.blake3 == digest_of(large)
    with pytest.raises(IntegrityError, match="other bytes"):
        store.download(NAME, tmp_path / "target", blake3=digest_of(large))


def test_an_object_that_is_lost_between_two_requests_is_missing(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path
):
    put(store, large)

    def lose(done_bytes: int, size_bytes: int) -> None:
        if NAME in server.objects():
            server.lose(NAME)

    with pytest.raises(FileMissingError, match=NAME):
        store.download(NAME, tmp_path / "target", blake3=digest_of(large), progress=lose)
    assert list(tmp_path.glob("*target*")) == []
