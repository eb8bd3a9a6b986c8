from __future__ import annotations

from typing import Any

import pytest
from b2sdk.v2.exception import (
    InvalidAuthToken,
    MaxRetriesExceeded,
    RestrictedBucket,
    Unauthorized,
)

from tests.b2_server import B2Server
from tests.b2_server.test_round_trips import fetched

WRITER = ["listBuckets", "listFiles", "readFiles", "writeFiles"]
READER = ["listBuckets", "listFiles", "readFiles"]


def restricted(server: B2Server, capabilities: list[str], prefix: str | None = None) -> Any:
    return server.client_bucket(server.api(*server.create_key(capabilities, prefix)))


def test_a_wrong_key_is_refused(server: B2Server):
    with pytest.raises(InvalidAuthToken):
        server.api(server.key_id, "wrong")
    with pytest.raises(InvalidAuthToken):
        server.api("unknown", server.key)


def test_a_key_for_one_bucket_and_prefix_can_do_its_work(server: B2Server, large: bytes):
    bucket = restricted(server, WRITER, "t/")
    bucket.upload_bytes(large, "t/large")
    bucket.upload_bytes(large[:10], "t/small")
    assert fetched(bucket, "t/large") == large
    assert [each.file_name for each, _ in bucket.ls("t")] == ["t/large", "t/small"]


def test_a_key_sees_nothing_outside_of_its_prefix(server: B2Server, bucket: Any, small: bytes):
    stored = bucket.upload_bytes(small, "u/s")
    narrow = restricted(server, WRITER, "t/")
    for forbidden in (
        lambda: narrow.download_file_by_name("u/s"),
        lambda: narrow.api.download_file_by_id(stored.id_),
        lambda: narrow.api.get_file_info(stored.id_),
        lambda: narrow.hide_file("u/s"),
        lambda: list(narrow.ls("u")),
        lambda: list(narrow.ls()),
        lambda: list(narrow.list_unfinished_large_files()),
    ):
        with pytest.raises(Unauthorized):
            forbidden()
    assert server.content("u/s") == small


def test_a_key_cannot_reach_another_bucket(server: B2Server, small: bytes):
    server.create_bucket("other")
    stored = server.api().get_bucket_by_name("other").upload_bytes(small, "s")
    narrow = restricted(server, WRITER)
    with pytest.raises(RestrictedBucket):
        narrow.api.get_bucket_by_name("other")
    with pytest.raises(Unauthorized):
        narrow.api.download_file_by_id(stored.id_)


def test_a_reader_cannot_write_and_b2sdk_tries_five_times_before_it_says_so(
    server: B2Server, small: bytes
):
    reader = restricted(server, READER)
    with pytest.raises(MaxRetriesExceeded) as caught:
        reader.upload_bytes(small, "s")
    assert {type(each) for each in caught.value.exception_info_list} == {Unauthorized}
    assert server.count("get_upload_url", status=401) == 5
    assert server.versions() == []


def test_a_writer_cannot_delete(server: B2Server, small: bytes):
    writer = restricted(server, WRITER)
    stored = writer.upload_bytes(small, "s")
    with pytest.raises(Unauthorized):
        writer.delete_file_version(stored.id_, "s")
    assert server.content("s") == small


def test_without_list_files_a_large_upload_does_not_look_for_an_earlier_one(
    server: B2Server, large: bytes
):
    blind = restricted(server, ["listBuckets", "writeFiles"])
    blind.upload_bytes(large, "large")
    assert server.count("list_unfinished_large_files") == 0
    assert server.content("large") == large


def test_keys_are_made_listed_and_deleted(server: B2Server):
    api: Any = server.api()
    bucket = server.client_bucket(api)
    made = api.create_key(READER, "a-reader", bucket_id=bucket.id_, name_prefix="t/")
    listed = list(api.list_keys())
    assert [(each.id_, each.bucket_id, each.name_prefix) for each in listed] == [
        (made.id_, bucket.id_, "t/")
    ]
    using = server.client_bucket(server.api(made.id_, made.application_key))
    api.delete_key(made)
    assert list(api.list_keys()) == []
    with pytest.raises(InvalidAuthToken):
        list(using.ls("t"))


def test_expired_tokens_are_renewed_without_the_caller_noticing(
    server: B2Server, bucket: Any, small: bytes
):
    bucket.upload_bytes(small, "s")
    authorized = server.count("authorize_account", status=200)
    server.expire_tokens()
    bucket.upload_bytes(small, "t")
    assert fetched(bucket, "t") == small
    assert server.count("authorize_account", status=200) == authorized + 1


def test_an_expired_key_is_refused(server: B2Server):
    key_id, key = server.create_key(READER, valid_s=1000)
    bucket = server.client_bucket(server.api(key_id, key))
    server._account.key_id_to_key[key_id].expiration_timestamp_or_none = 1
    with pytest.raises(InvalidAuthToken):
        list(bucket.ls())
