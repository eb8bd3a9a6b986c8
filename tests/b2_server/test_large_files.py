from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from b2sdk.v2.exception import BadRequest, MissingPart, StorageCapExceeded

from tests.b2_server import B2Server, Fault, FaultKind
from tests.b2_server.conftest import PART_BYTES

INFO = {"src_last_modified_millis": "1700000000000"}


def break_off(server: B2Server, bucket: Any, path: Path, parts: int) -> None:
    """An upload that ends after some parts, as that of a killed process would."""
    fault = Fault(FaultKind.STORAGE_CAP_EXCEEDED, "upload_part", times=None, after=parts)
    server.faults.add(fault)
    with pytest.raises(StorageCapExceeded):
        bucket.upload_local_file(path, "large.h5", file_info=INFO)
    # b2sdk goes on with the other parts after the error; resizing waits for them
    bucket.api.services.upload_manager.set_thread_pool_size(9)
    server.faults.clear()


def test_an_interrupted_upload_leaves_no_visible_file(
    server: B2Server, bucket: Any, large_path: Path
):
    break_off(server, bucket, large_path, parts=5)
    assert server.objects() == {}
    assert [each.part_count for each in server.unfinished()] == [5]
    listed = list(bucket.list_unfinished_large_files())
    assert [(each.file_name, each.file_info["src_last_modified_millis"]) for each in listed] == [
        ("large.h5", "1700000000000")
    ]


def test_a_resumed_upload_sends_the_missing_parts_only(
    server: B2Server, bucket: Any, large_path: Path
):
    break_off(server, bucket, large_path, parts=5)
    sent_before = len(server.requests)
    server.client_bucket().upload_local_file(large_path, "large.h5", file_info=INFO)
    parts = [each for each in server.requests[sent_before:] if each.operation == "upload_part"]
    assert len(parts) == 7
    assert sum(each.bytes_in for each in parts) < 8 * PART_BYTES
    assert server.content("large.h5") == large_path.read_bytes()
    assert server.unfinished() == []


def test_another_file_info_strands_the_unfinished_file(
    server: B2Server, bucket: Any, large_path: Path
):
    break_off(server, bucket, large_path, parts=5)
    bucket.upload_local_file(large_path, "large.h5", file_info={"src_last_modified_millis": "1"})
    assert [each.part_count for each in server.unfinished()] == [5]
    assert server.count("upload_part", status=200) == 5 + 12


def test_cancelling_removes_the_unfinished_file(server: B2Server, bucket: Any, large_path: Path):
    break_off(server, bucket, large_path, parts=2)
    file_id = server.unfinished()[0].file_id
    bucket.api.cancel_large_file(file_id)
    assert server.versions() == []
    with pytest.raises(BadRequest, match="No active upload"):
        bucket.api.cancel_large_file(file_id)


@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_parts_are_listed_whole_whatever_the_page(
    server: B2Server, bucket: Any, large_path: Path, page: int
):
    break_off(server, bucket, large_path, parts=5)
    file_id = server.unfinished()[0].file_id
    parts = list(bucket.api.services.large_file.list_parts(file_id, batch_size=page))
    assert len(parts) == 5
    assert sum(part.content_length for part in parts) >= 4 * PART_BYTES
    assert server.count("list_parts") == -(-5 // page)


def test_unfinished_files_are_listed_by_prefix_and_page(server: B2Server, bucket: Any):
    service = bucket.api.services.large_file
    for name in ("a/1", "a/2", "a/3", "b/1"):
        service.start_large_file(bucket.id_, name, "b2/x-auto", {})
    listed = service.list_unfinished_large_files(bucket.id_, batch_size=2, prefix="a/")
    assert [each.file_name for each in listed] == ["a/3", "a/2", "a/1"]
    assert server.count("list_unfinished_large_files") == 2


def test_finishing_is_refused_while_parts_are_missing_or_small(server: B2Server, bucket: Any):
    session = bucket.api.session
    started = bucket.api.services.large_file.start_large_file(bucket.id_, "l", "b2/x-auto", {})
    sha1s = []
    for number, size in ((1, 4_999), (3, 10)):
        sha1s.append(send_part(session, started.file_id, number, bytes(size)))
    with pytest.raises(MissingPart):
        session.finish_large_file(started.file_id, sha1s)
    sha1s.insert(1, send_part(session, started.file_id, 2, bytes(5_000)))
    with pytest.raises(BadRequest, match="part number 1 is smaller than 5000 bytes"):
        session.finish_large_file(started.file_id, sha1s)
    sha1s[0] = send_part(session, started.file_id, 1, bytes(5_000))
    with pytest.raises(BadRequest, match="Sha1 of a part"):
        session.finish_large_file(started.file_id, sha1s[::-1])
    session.finish_large_file(started.file_id, sha1s)
    assert server.content("l") == bytes(10_010)


def send_part(session: Any, file_id: str, number: int, data: bytes) -> str:
    sha1 = hashlib.sha1(data).hexdigest()
    session.upload_part(file_id, number, len(data), sha1, io.BytesIO(data))
    return sha1
