"""Older versions of the API, which older clients speak: rclone speaks v1."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.b2_server import B2Server


def ask(server: B2Server, version: str, operation: str, token: Any, **fields: Any) -> Any:
    session = requests.Session()
    session.trust_env = False
    address = f"{server.url}/b2api/{version}/b2_{operation}"
    with session, session.post(address, json=fields, **token) as answer:
        assert answer.status_code == 200, answer.text
        return answer.json()


def authorized(server: B2Server, version: str, key: tuple[str, str] | None = None) -> Any:
    return ask(server, version, "authorize_account", {"auth": key or (server.key_id, server.key)})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_before_v3_an_authorization_is_flat_and_names_one_bucket(server: B2Server, version: str):
    key = server.create_key(["listBuckets", "readFiles"], prefix="t/")
    answer = authorized(server, version, key)
    assert "apiInfo" not in answer
    assert (answer["apiUrl"], answer["downloadUrl"]) == (server.url, server.url)
    assert answer["recommendedPartSize"] == answer["minimumPartSize"] == 10_000
    allowed = answer["allowed"]
    assert (allowed["bucketName"], allowed["namePrefix"]) == (server.bucket, "t/")
    assert sorted(allowed["capabilities"]) == ["listBuckets", "readFiles"]


def test_the_master_key_is_not_restricted_in_any_version(server: B2Server):
    assert authorized(server, "v1")["allowed"]["bucketId"] is None
    assert authorized(server, "v3")["apiInfo"]["storageApi"]["bucketId"] is None
    assert authorized(server, "v4")["apiInfo"]["storageApi"]["allowed"]["buckets"] is None


@pytest.mark.parametrize("operation", ["list_file_names", "list_file_versions"])
@pytest.mark.parametrize(("version", "field"), [("v1", "size"), ("v2", "contentLength")])
def test_listings_of_v1_call_the_size_otherwise(
    server: B2Server, bucket: Any, operation: str, version: str, field: str
):
    stored = bucket.upload_bytes(b"12345", "a")
    token = {"headers": {"Authorization": authorized(server, version)["authorizationToken"]}}
    page = ask(server, version, operation, token, bucketId=bucket.id_)
    (entry,) = page["files"]
    assert (entry["fileId"], entry[field]) == (stored.id_, 5)
    assert {"size", "contentLength"} & set(entry) == {field}
