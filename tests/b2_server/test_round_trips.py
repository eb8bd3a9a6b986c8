from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from b2sdk.v2.exception import FileNotPresent, UnsatisfiableRange

from tests.b2_server import B2Server


def fetched(bucket: Any, name: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    bucket.download_file_by_name(name, **options).save(sink)
    return sink.getvalue()


def test_a_small_file_comes_back_byte_for_byte(server: B2Server, bucket: Any, small: bytes):
    stored = bucket.upload_bytes(small, "a/s.bin", file_info={"sha256": "x y/z"})
    assert fetched(bucket, "a/s.bin") == small
    assert stored.content_sha1 == hashlib.sha1(small).hexdigest()
    assert server.objects()["a/s.bin"].file_info == {"sha256": "x y/z"}
    assert server.count("upload_file") == 1


def test_a_large_file_travels_in_parts_and_comes_back_byte_for_byte(
    server: B2Server, bucket: Any, large_path: Path, tmp_path: Path
):
    stored = bucket.upload_local_file(large_path, "large.h5")
    bucket.download_file_by_name("large.h5").save_to(tmp_path / "back.h5")
    assert (tmp_path / "back.h5").read_bytes() == large_path.read_bytes()
    assert server.count("upload_part") == 12
    sha1 = hashlib.sha1(large_path.read_bytes()).hexdigest()
    assert server.objects()["large.h5"].file_info["large_file_sha1"] == sha1
    assert stored.content_sha1 == server.objects()["large.h5"].sha1 == "none"


@pytest.mark.parametrize("size", [0, 1, 5_000, 10_000, 20_000, 20_001])
def test_every_size_around_the_limits_comes_back(bucket: Any, large: bytes, size: int):
    bucket.upload_bytes(large[:size], "sized")
    assert fetched(bucket, "sized") == large[:size]


def test_a_stream_is_stored_with_the_digest_that_follows_it(bucket: Any, small: bytes):
    bucket.upload_unbound_stream(io.BytesIO(small), "streamed")
    assert fetched(bucket, "streamed") == small


def test_a_wide_parallel_download_asks_for_ranges(
    server: B2Server, bucket: Any, large_path: Path, tmp_path: Path
):
    bucket.upload_local_file(large_path, "large.h5")
    api: Any = server.api(max_download_workers=4)
    api.services.download_manager.strategies[0].min_part_size = 20_000
    server.client_bucket(api).download_file_by_name("large.h5").save_to(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large_path.read_bytes()
    assert sum(bool(each.requested_range) for each in server.requests) == 3


@pytest.mark.parametrize("span", [(0, 0), (0, 63), (100, 2_999), (2_999, 2_999)])
def test_a_range_gives_those_bytes_and_the_whole_size(
    server: B2Server, bucket: Any, small: bytes, span: tuple[int, int]
):
    stored = bucket.upload_bytes(small, "s")
    sink = io.BytesIO()
    found = bucket.api.download_file_by_id(stored.id_, range_=span)
    found.save(sink)
    assert sink.getvalue() == small[span[0] : span[1] + 1]
    assert found.download_version.size == len(small)
    assert server.requests[-1].status == 206
    assert server.requests[-1].bytes_out == span[1] - span[0] + 1


def test_a_range_behind_the_end_is_refused(bucket: Any, small: bytes):
    bucket.upload_bytes(small, "s")
    with pytest.raises(UnsatisfiableRange):
        bucket.download_file_by_name("s", range_=(3_000, 3_001))


def test_all_headers_of_a_file_are_there(bucket: Any, small: bytes):
    info = {"src_last_modified_millis": "1700000000123", "rows": "500"}
    stored = bucket.upload_bytes(small, "ü/ä b+c.h5", content_type="application/x", file_info=info)
    for found in (
        bucket.download_file_by_name("ü/ä b+c.h5").download_version,
        bucket.get_file_info_by_name("ü/ä b+c.h5"),
        bucket.api.get_file_info(stored.id_),
    ):
        assert found.file_name == "ü/ä b+c.h5"
        assert (found.id_, found.size) == (stored.id_, 3_000)
        assert found.content_type == "application/x"
        assert found.content_sha1 == stored.content_sha1
        assert found.file_info == info
        assert found.mod_time_millis == 1_700_000_000_123
        assert found.upload_timestamp == stored.upload_timestamp


def test_an_absent_file_is_not_present(bucket: Any):
    with pytest.raises(FileNotPresent):
        bucket.download_file_by_name("nothing")
    with pytest.raises(FileNotPresent):
        bucket.api.get_file_info("4_znone")


def test_a_copy_on_the_server_moves_no_bytes(server: B2Server, bucket: Any, small: bytes):
    stored = bucket.upload_bytes(small, "s", file_info={"rows": "5"})
    before = server.bytes_in
    bucket.copy(stored.id_, "t")
    assert server.content("t") == small
    assert server.objects()["t"].file_info == {"rows": "5"}
    assert server.bytes_in - before < 500


def test_forty_threads_at_once_store_and_read_what_is_theirs(server: B2Server, small: bytes):
    def send_and_fetch(number: int) -> bool:
        data = small[number:]
        bucket.upload_bytes(data, f"thread/{number}")
        return fetched(bucket, f"thread/{number}") == data

    bucket: Any = server.client_bucket(server.api(max_upload_workers=16))
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(send_and_fetch, range(40)))
    assert len(server.objects()) == 40
    assert len({each.file_id for each in server.versions()}) == 40


def test_a_public_bucket_needs_no_token_and_a_private_one_does(server: B2Server, small: bytes):
    server.create_bucket("open", public=True)
    api = server.api()
    for name in ("open", server.bucket):
        api.get_bucket_by_name(name).upload_bytes(small, "s")
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{server.url}/file/open/s").content == small
        assert session.get(f"{server.url}/file/{server.bucket}/s").status_code == 401


def test_a_download_authorization_opens_its_prefix_only(server: B2Server, small: bytes):
    bucket = server.client_bucket()
    bucket.upload_bytes(small, "in/s")
    bucket.upload_bytes(small, "out/s")
    token = bucket.get_download_authorization("in/", 60)
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = token
        where = f"{server.url}/file/{server.bucket}"
        assert session.get(f"{where}/in/s").content == small
        assert session.get(f"{where}/out/s").json()["code"] == "unauthorized"
