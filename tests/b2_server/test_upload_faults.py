from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from b2sdk.v2.exception import (
    B2RequestTimeout,
    BadRequest,
    InvalidAuthToken,
    MaxRetriesExceeded,
    StorageCapExceeded,
    TooManyRequests,
    TransactionCapExceeded,
)

from tests.b2_server import B2Server, Fault, FaultKind

TRANSIENT = [
    FaultKind.SERVICE_UNAVAILABLE,
    FaultKind.INTERNAL_ERROR,
    FaultKind.REQUEST_TIMEOUT,
    FaultKind.EXPIRED_AUTH_TOKEN,
    FaultKind.BAD_AUTH_TOKEN,
    FaultKind.RESET_BEFORE_ANSWER,
    FaultKind.RESET_IN_UPLOAD,
    FaultKind.LOST_ANSWER,
]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_an_upload_survives_a_transient_fault(
    server: B2Server, bucket: Any, small: bytes, kind: FaultKind
):
    server.faults.add(Fault(kind, "upload_file"))
    bucket.upload_bytes(small, "s")
    assert server.content("s") == small
    assert server.count("upload_file") == 2
    assert server.faults.fired(kind) == 1


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_large_upload_survives_a_transient_fault_in_a_part(
    server: B2Server, bucket: Any, large_path: Path, kind: FaultKind
):
    server.faults.add(Fault(kind, "upload_part", after=3, times=2))
    bucket.upload_local_file(large_path, "large")
    assert server.content("large") == large_path.read_bytes()
    assert server.count("upload_part") == 12 + 2
    assert len(server.versions()) == 1


def test_a_lost_answer_makes_a_second_version(server: B2Server, bucket: Any, small: bytes):
    server.faults.add(Fault(FaultKind.LOST_ANSWER, "upload_file"))
    bucket.upload_bytes(small, "s")
    assert [each.size_bytes for each in server.versions()] == [len(small)] * 2
    assert [each.status for each in server.requests if each.operation == "upload_file"] == [0, 200]


def test_after_a_lost_answer_to_finishing_the_file_is_there_and_b2sdk_reports_an_error(
    server: B2Server, bucket: Any, large_path: Path
):
    server.faults.add(Fault(FaultKind.LOST_ANSWER, "finish_large_file"))
    with pytest.raises(BadRequest, match="No active upload"):
        bucket.upload_local_file(large_path, "large")
    assert server.content("large") == large_path.read_bytes()
    assert server.unfinished() == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.STORAGE_CAP_EXCEEDED, StorageCapExceeded),
        (FaultKind.TRANSACTION_CAP_EXCEEDED, TransactionCapExceeded),
        (FaultKind.BAD_REQUEST, BadRequest),
    ],
)
def test_a_permanent_fault_ends_the_upload_at_once(
    server: B2Server, bucket: Any, small: bytes, kind: FaultKind, error: type[Exception]
):
    server.faults.add(Fault(kind, "upload_file", times=None))
    with pytest.raises(error):
        bucket.upload_bytes(small, "s")
    assert server.count("upload_file") == 1
    assert server.versions() == []


def test_b2sdk_gives_an_upload_up_when_asked_to_come_later(
    server: B2Server, bucket: Any, small: bytes
):
    fault = Fault(FaultKind.TOO_MANY_REQUESTS, "upload_file", times=None, retry_after_s=7)
    server.faults.add(fault)
    with pytest.raises(TooManyRequests) as caught:
        bucket.upload_bytes(small, "s")
    assert caught.value.retry_after_seconds == 7
    assert server.count("upload_file", status=429) == 1


def test_a_call_is_repeated_after_the_time_that_the_service_asks_for(server: B2Server, bucket: Any):
    for kind in (FaultKind.TOO_MANY_REQUESTS, FaultKind.SERVICE_UNAVAILABLE):
        server.faults.add(Fault(kind, "list_*", times=2, retry_after_s=0))
    assert list(bucket.ls()) == []
    found = [each.status for each in server.requests if each.operation == "list_file_names"]
    assert found == [429, 429, 503, 503, 200]


def test_a_token_that_stays_bad_is_renewed_once_and_then_reported(server: B2Server, bucket: Any):
    server.faults.add(Fault(FaultKind.BAD_AUTH_TOKEN, "list_file_names", times=None))
    authorized = server.count("authorize_account")
    with pytest.raises(InvalidAuthToken):
        list(bucket.ls())
    assert server.count("authorize_account") == authorized + 1
    assert server.count("list_file_names") == 2


def test_a_wrong_digest_in_the_answer_is_noticed(server: B2Server, bucket: Any, small: bytes):
    server.faults.add(Fault(FaultKind.WRONG_SHA1_RETURNED, "upload_file"))
    with pytest.raises(AssertionError, match=r"!= 0123456789"):
        bucket.upload_bytes(small, "s")


def test_bytes_that_do_not_fit_their_digest_are_refused(
    server: B2Server, bucket: Any, tmp_path: Path
):
    (tmp_path / "s").write_bytes(b"one")
    with pytest.raises(BadRequest, match="Sha1 did not match"):
        bucket.upload_local_file(tmp_path / "s", "s", sha1_sum="0" * 40)
    assert server.versions() == []


def test_a_stalled_answer_ends_with_the_timeout_of_the_client(
    server: B2Server, bucket: Any, small: bytes
):
    bucket.api.session.raw_api.b2_http.TIMEOUT_FOR_UPLOAD = 0.1
    server.faults.add(Fault(FaultKind.STALLED, "upload_file", times=None))
    with pytest.raises(MaxRetriesExceeded) as caught:
        bucket.upload_bytes(small, "s")
    assert {type(each) for each in caught.value.exception_info_list} == {B2RequestTimeout}
    assert server.versions() == []


def test_random_faults_repeat_with_their_seed(small: bytes):
    def outcome(seed: int) -> list[int]:
        with B2Server(seed=seed) as server:
            bucket: Any = server.client_bucket()
            fault = Fault(FaultKind.REQUEST_TIMEOUT, "upload_*", times=None, probability=0.3)
            server.faults.add(fault)
            for number in range(20):
                bucket.upload_bytes(small, f"{number}")
            return [each.status for each in server.requests]

    assert outcome(1) == outcome(1)
    assert outcome(1) != outcome(2)
    assert 408 in outcome(1)


def test_a_fault_befalls_the_named_file_only(server: B2Server, bucket: Any, large_path: Path):
    server.faults.add(Fault(FaultKind.STORAGE_CAP_EXCEEDED, name="*.h5", times=None))
    bucket.upload_local_file(large_path, "large.bin")
    with pytest.raises(StorageCapExceeded):
        bucket.upload_local_file(large_path, "large.h5")
    assert list(server.objects()) == ["large.bin"]
