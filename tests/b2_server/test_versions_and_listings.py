from __future__ import annotations

from typing import Any

import pytest
from b2sdk.v2.exception import DuplicateBucketName, FileAlreadyHidden, FileNotPresent

from tests.b2_server import B2Server


def test_each_upload_is_a_new_version_and_the_newest_is_read(
    server: B2Server, bucket: Any, small: bytes
):
    first = bucket.upload_bytes(small, "s")
    second = bucket.upload_bytes(small[1:], "s")
    found = [version.id_ for version, _ in bucket.ls(latest_only=False)]
    assert found == [second.id_, first.id_]
    assert server.content("s") == small[1:]


def test_hiding_removes_the_name_and_keeps_the_bytes(server: B2Server, bucket: Any, small: bytes):
    stored = bucket.upload_bytes(small, "s")
    marker = bucket.hide_file("s")
    assert list(bucket.ls()) == []
    with pytest.raises(FileNotPresent):
        bucket.download_file_by_name("s")
    assert bucket.api.download_file_by_id(stored.id_).download_version.size == len(small)
    with pytest.raises(FileAlreadyHidden):
        bucket.hide_file("s")
    bucket.delete_file_version(marker.id_, "s")
    assert server.content("s") == small


def test_deleting_a_version_brings_the_older_one_back(server: B2Server, bucket: Any, small: bytes):
    bucket.upload_bytes(small, "s")
    newer = bucket.upload_bytes(b"wrong", "s")
    bucket.delete_file_version(newer.id_, "s")
    assert server.content("s") == small
    with pytest.raises(FileNotPresent):
        bucket.delete_file_version(newer.id_, "s")


@pytest.mark.parametrize("page", [1, 2, 3, 7, 100])
def test_listings_are_whole_whatever_the_page(server: B2Server, bucket: Any, page: int):
    for number in range(7):
        bucket.upload_bytes(b"x", f"d/{number}")
    bucket.upload_bytes(b"y", "d/3")
    bucket.upload_bytes(b"y", "e")
    names = [each.file_name for each, _ in bucket.ls("d", fetch_count=page)]
    assert names == [f"d/{number}" for number in range(7)]
    versions = [each.id_ for each, _ in bucket.ls("", False, True, fetch_count=page)]
    assert versions == [each.file_id for each in server.versions()]
    assert server.count("list_file_names") == -(-7 // page)


def test_an_unfinished_upload_does_not_hide_the_file_of_that_name(
    server: B2Server, bucket: Any, small: bytes
):
    bucket.upload_bytes(small, "s")
    bucket.api.services.large_file.start_large_file(bucket.id_, "s", "b2/x-auto", {})
    assert [each.file_name for each, _ in bucket.ls()] == ["s"]
    assert bucket.download_file_by_name("s").download_version.size == len(small)
    assert [each.action for each in server.versions()] == ["start", "upload"]


def test_a_lost_file_is_gone_and_a_rotten_one_keeps_its_digest(
    server: B2Server, bucket: Any, small: bytes
):
    stored = bucket.upload_bytes(small, "s")
    server.rot("s", 17, flipped_bits=0x80)
    assert server.content("s")[17] == small[17] ^ 0x80
    assert server.objects()["s"].sha1 == stored.content_sha1
    server.lose("s")
    assert server.versions() == []
    with pytest.raises(KeyError, match="no visible file 's'"):
        server.content("s")


def test_buckets_are_made_listed_and_deleted(server: B2Server):
    api = server.api()
    other = api.create_bucket("other", "allPrivate", lifecycle_rules=[])
    with pytest.raises(DuplicateBucketName):
        api.create_bucket("other", "allPrivate")
    assert [each.name for each in api.list_buckets()] == ["other", server.bucket]
    api.delete_bucket(other)
    assert [each.name for each in api.list_buckets()] == [server.bucket]
