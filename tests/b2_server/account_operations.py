"""The JSON operations on accounts, buckets and keys, by their names without `b2_`.

Versions differ in the answer to an authorization and in how keys name their buckets: v4 has a list
of buckets, v3 one bucket, v1 and v2 have no `apiInfo` around it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any

from tests.b2_server.account import Account, DownloadTicket
from tests.b2_server.refusals import Refusal

Fields = dict[str, Any]
Operation = Callable[[Account, str, Fields, str], Fields]


def need(body: Fields, field: str) -> Any:
    """A field that the request must have.

    Raises:
        Refusal: 400 where it is absent.
    """
    if body.get(field) is None:
        raise Refusal(400, "bad_request", f"required field {field} is missing")
    return body[field]


def authorize(account: Account, token: str, body: Fields, version: str) -> Fields:
    """`token` is the whole Authorization header: Basic, key id and key."""
    try:
        scheme, _, coded = token.partition(" ")
        key_id, _, key = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(401, "bad_auth_token", "") from error
    if scheme != "Basic":
        raise Refusal(401, "bad_auth_token", "")
    answer = account.authorize_account(account.API_URL, key_id, key)
    if version == "v4":
        return answer
    storage = answer["apiInfo"]["storageApi"]
    buckets = storage.pop("allowed")["buckets"]
    first = buckets[0] if buckets else {"id": None, "name": None}
    only = {"bucketId": first["id"], "bucketName": first["name"]}
    if version == "v3":
        storage.update(only, infoType="storageApi")
        return answer
    limits = {field: storage.pop(field) for field in ("capabilities", "namePrefix")}
    del answer["apiInfo"]
    return {
        **answer,
        **storage,
        "minimumPartSize": storage["recommendedPartSize"],  # its old name
        "allowed": {**limits, **only},
    }


def list_buckets(account: Account, token: str, body: Fields, version: str) -> Fields:
    return account.list_buckets(
        account.API_URL,
        token,
        need(body, "accountId"),
        bucket_id=body.get("bucketId"),
        bucket_name=body.get("bucketName"),
    )


def create_bucket(account: Account, token: str, body: Fields, version: str) -> Fields:
    return account.create_bucket(
        account.API_URL,
        token,
        need(body, "accountId"),
        need(body, "bucketName"),
        need(body, "bucketType"),
        bucket_info=body.get("bucketInfo"),
        lifecycle_rules=body.get("lifecycleRules"),
    )


def update_bucket(account: Account, token: str, body: Fields, version: str) -> Fields:
    return account.update_bucket(
        account.API_URL,
        token,
        need(body, "accountId"),
        need(body, "bucketId"),
        bucket_type=body.get("bucketType"),
        bucket_info=body.get("bucketInfo"),
        lifecycle_rules=body.get("lifecycleRules"),
        if_revision_is=body.get("ifRevisionIs"),
    )


def delete_bucket(account: Account, token: str, body: Fields, version: str) -> Fields:
    if account.bucket(need(body, "bucketId")).file_id_to_file:
        raise Refusal(400, "cannot_delete_non_empty_bucket", "Cannot delete non-empty bucket")
    return account.delete_bucket(
        account.API_URL, token, need(body, "accountId"), need(body, "bucketId")
    )


def as_version(key: Fields, version: str) -> Fields:
    """A key's description; before v4 it named one bucket."""
    if version != "v4":
        buckets = key.pop("bucketIds")
        key["bucketId"] = buckets[0] if buckets else None
    return key


def create_key(account: Account, token: str, body: Fields, version: str) -> Fields:
    buckets = body.get("bucketIds")
    if version != "v4" and body.get("bucketId"):
        buckets = [body["bucketId"]]
    key = account.create_key(
        account.API_URL,
        token,
        need(body, "accountId"),
        need(body, "capabilities"),
        need(body, "keyName"),
        body.get("validDurationInSeconds"),
        buckets,
        body.get("namePrefix"),
    )
    return as_version(key, version)


def list_keys(account: Account, token: str, body: Fields, version: str) -> Fields:
    answer: Fields = account.list_keys(
        account.API_URL,
        token,
        need(body, "accountId"),
        max_key_count=body.get("maxKeyCount") or 100,
        start_application_key_id=body.get("startApplicationKeyId"),
    )
    return {**answer, "keys": [as_version(key, version) for key in answer["keys"]]}


def delete_key(account: Account, token: str, body: Fields, version: str) -> Fields:
    account.authorise(token, "deleteKeys")
    key = account.delete_key(account.API_URL, token, need(body, "applicationKeyId"))
    return as_version(key, version)


def get_download_authorization(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket_id, prefix = need(body, "bucketId"), body.get("fileNamePrefix") or ""
    account.authorise(token, "shareFiles", bucket_id, prefix)
    until_s = time.time() + need(body, "validDurationInSeconds")
    download_token = f"download_token_{account.next_number()}"
    account.download_tickets[download_token] = DownloadTicket(bucket_id, prefix, until_s)
    return {
        "bucketId": bucket_id,
        "fileNamePrefix": prefix,
        "authorizationToken": download_token,
    }


ACCOUNT_OPERATIONS: dict[str, Operation] = {
    "authorize_account": authorize,
    "list_buckets": list_buckets,
    "create_bucket": create_bucket,
    "update_bucket": update_bucket,
    "delete_bucket": delete_bucket,
    "create_key": create_key,
    "list_keys": list_keys,
    "delete_key": delete_key,
    "get_download_authorization": get_download_authorization,
}
