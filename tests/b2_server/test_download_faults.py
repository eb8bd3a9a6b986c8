from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from b2sdk.v2.exception import (
    ChecksumMismatch,
    TransactionCapExceeded,
)
from requests.exceptions import RequestException

from tests.b2_server import B2Server, Fault, FaultKind
from tests.b2_server.test_round_trips import fetched

MTIME_MS = 1_600_000_000_123
INFO = {"src_last_modified_millis": str(MTIME_MS)}


@pytest.fixture
def stored(server: B2Server, bucket: Any, small: bytes, large_path: Path) -> B2Server:
    """The server with a small and a large file on it."""
    bucket.upload_bytes(small, "small", file_info=INFO)
    bucket.upload_local_file(large_path, "large", file_info=INFO)
    return server


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_IN_DOWNLOAD, FaultKind.TRUNCATED_BODY, FaultKind.SLOW_BODY]
)
def test_a_download_to_a_file_survives_a_broken_or_slow_body(
    stored: B2Server, bucket: Any, large: bytes, tmp_path: Path, kind: FaultKind
):
    stored.faults.add(Fault(kind, at=0.3, bytes_per_s=1_000_000))
    bucket.download_file_by_name("large").save_to(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large
    assert stored.faults.fired(kind) == 1
    if kind == FaultKind.TRUNCATED_BODY:
        assert stored.requests[-1].requested_range == "bytes=37036-123455"


@pytest.mark.parametrize("kind", [FaultKind.RESET_IN_DOWNLOAD, FaultKind.TRUNCATED_BODY])
def test_a_download_to_a_stream_fails_with_a_broken_body(
    stored: B2Server, bucket: Any, kind: FaultKind
):
    stored.faults.add(Fault(kind))
    with pytest.raises(RequestException):
        bucket.download_file_by_name("large").save(io.BytesIO(), allow_seeking=False)


def test_a_truncated_download_leaves_a_partial_file_with_the_remote_time(
    stored: B2Server, bucket: Any, large: bytes, tmp_path: Path
):
    stored.faults.add(Fault(FaultKind.TRUNCATED_BODY))
    stored.faults.add(Fault(FaultKind.TRUNCATED_BODY, times=None, at=0.0))
    path = tmp_path / "back"
    with pytest.raises(RequestException):
        bucket.download_file_by_name("large").save_to(path)
    assert path.read_bytes() == large[: len(large) // 2]
    assert path.stat().st_mtime_ns // 1_000_000 == MTIME_MS


def test_a_rotten_small_file_is_noticed_and_a_rotten_large_one_is_not(
    stored: B2Server, bucket: Any, large: bytes
):
    stored.rot("small", 100)
    stored.rot("large", 100)
    with pytest.raises(ChecksumMismatch):
        fetched(bucket, "small")
    found = fetched(bucket, "large")
    assert [number for number in range(len(large)) if found[number] != large[number]] == [100]


def test_a_byte_changed_on_the_wire_is_noticed_in_a_small_file_only(
    stored: B2Server, bucket: Any, small: bytes, large: bytes
):
    stored.faults.add(Fault(FaultKind.CORRUPT_ON_WIRE, times=2, at=1.0))
    with pytest.raises(ChecksumMismatch):
        fetched(bucket, "small")
    assert fetched(bucket, "large") == large[:-1] + bytes([large[-1] ^ 1])
    assert (fetched(bucket, "small"), fetched(bucket, "large")) == (small, large)


def test_a_part_corrupted_in_storage_is_not_noticed(
    server: B2Server, bucket: Any, large_path: Path
):
    server.faults.add(Fault(FaultKind.CORRUPT_IN_STORAGE, "upload_part"))
    bucket.upload_local_file(large_path, "large")
    assert fetched(bucket, "large") == server.content("large") != large_path.read_bytes()


@pytest.mark.parametrize("kind", [FaultKind.WRONG_SHA1_STORED, FaultKind.WRONG_SHA1_RETURNED])
def test_a_wrong_digest_fails_the_download_of_right_bytes(
    server: B2Server, bucket: Any, small: bytes, kind: FaultKind
):
    stored_wrong = kind == FaultKind.WRONG_SHA1_STORED
    server.faults.add(Fault(kind, "upload_file" if stored_wrong else "download_*"))
    bucket.upload_bytes(small, "small")
    assert server.content("small") == small
    with pytest.raises(ChecksumMismatch):
        fetched(bucket, "small")


def test_a_cap_on_downloads_is_reported_at_once(stored: B2Server, bucket: Any):
    stored.faults.add(Fault(FaultKind.TRANSACTION_CAP_EXCEEDED, "download_*", times=None))
    with pytest.raises(TransactionCapExceeded):
        fetched(bucket, "small")
    assert stored.count("download_*") == 1


@pytest.mark.parametrize(
    "kind", [FaultKind.SERVICE_UNAVAILABLE, FaultKind.TOO_MANY_REQUESTS, FaultKind.INTERNAL_ERROR]
)
def test_a_busy_service_is_asked_again(
    stored: B2Server, bucket: Any, small: bytes, kind: FaultKind
):
    stored.faults.add(Fault(kind, "download_*", times=3, retry_after_s=0))
    assert fetched(bucket, "small") == small
    assert stored.count("download_*") == 4


@pytest.mark.parametrize("kind", [FaultKind.EXPIRED_AUTH_TOKEN, FaultKind.BAD_AUTH_TOKEN])
def test_a_refused_token_is_renewed(stored: B2Server, bucket: Any, small: bytes, kind: FaultKind):
    stored.faults.add(Fault(kind, "download_*"), Fault(kind, "head_*"))
    assert fetched(bucket, "small") == small
    assert bucket.get_file_info_by_name("small").size == len(small)


def test_a_reset_before_the_answer_is_survived(stored: B2Server, bucket: Any, small: bytes):
    stored.faults.add(Fault(FaultKind.RESET_BEFORE_ANSWER, "download_*"))
    assert fetched(bucket, "small") == small


def test_a_stalled_body_ends_with_the_timeout_of_the_client(
    stored: B2Server, bucket: Any, large: bytes, tmp_path: Path
):
    bucket.api.session.raw_api.b2_http.TIMEOUT = 0.2
    stored.faults.add(Fault(FaultKind.STALLED_BODY))
    bucket.download_file_by_name("large").save_to(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large


def test_a_stalled_answer_is_asked_for_again(stored: B2Server, bucket: Any, small: bytes):
    bucket.api.session.raw_api.b2_http.TIMEOUT = 0.2
    stored.faults.add(Fault(FaultKind.STALLED, "download_*"))
    assert fetched(bucket, "small") == small
    assert stored.count("download_*") == 2
