"""The account behind the server: b2sdk's simulator with its gaps filled.

Filled here: keys restricted to a bucket or a prefix are honoured everywhere, keys and tokens
expire, upload tokens are checked, file ids are unique in the account and do not run out, time is
real, one lock makes it safe for many threads. Listings, uploads and downloads have their own files.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any

from b2sdk._internal.raw_simulator import (
    BucketSimulator,
    FileSimulator,
    KeySimulator,
    RawSimulator,
)

from tests.b2_server.refusals import Refusal, unauthorized

LARGEST_SIMPLE_COPY_BYTES = 5 * 10**9


@dataclass(frozen=True)
class UploadTicket:
    """What an upload URL is good for: a bucket, or one unfinished large file."""

    account_token: str
    bucket_id: str
    file_id: str | None


@dataclass(frozen=True)
class DownloadTicket:
    """What a download authorization is good for."""

    bucket_id: str
    prefix: str
    until_s: float


class File(FileSimulator):
    """A version whose `data_bytes` is a `bytearray` that can be damaged in place."""

    bucket: Bucket
    data_bytes: Any
    content_sha1: Any
    upload_timestamp: Any
    parts: list[Any]


class Bucket(BucketSimulator):
    FILE_SIMULATOR_CLASS = File
    MAX_SIMPLE_COPY_SIZE = LARGEST_SIMPLE_COPY_BYTES

    def __init__(self, api: Account, *args: Any, **named: Any):
        super().__init__(api, *args, **named)
        self.upload_timestamp_counter = api.timestamps_ms

    def _next_file_id(self) -> str:
        return self.api.next_file_id(self.bucket_id)


class Timestamps:
    """Milliseconds of the real clock, each larger than the one before."""

    def __init__(self) -> None:
        self._last = 0

    def __next__(self) -> int:
        self._last = max(self._last + 1, int(time.time() * 1000))
        return self._last


class Account(RawSimulator):
    """One account with its buckets, keys and tokens. Hold `lock` while calling anything."""

    BUCKET_SIMULATOR_CLASS = Bucket

    def __init__(self, url: str, minimum_part_size_bytes: int, recommended_part_size_bytes: int):
        super().__init__()
        self.API_URL = self.DOWNLOAD_URL = self.S3_API_URL = url
        self.MIN_PART_SIZE = minimum_part_size_bytes
        self.recommended_part_size_bytes = recommended_part_size_bytes
        self.lock = threading.RLock()
        self.timestamps_ms = Timestamps()
        self.upload_tickets: dict[str, UploadTicket] = {}
        self.download_tickets: dict[str, DownloadTicket] = {}
        self.tokens_in_use: set[str] = set()
        self.bucket_id_counter = itertools.count()
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        return next(self._numbers)

    def next_file_id(self, bucket_id: str) -> str:
        """An id that sorts before all earlier ones: newest first, as listings want it."""
        file_id = f"4_z{bucket_id}_f{10**11 - self.next_number():012d}"
        self.file_id_to_bucket_id[file_id] = bucket_id
        return file_id

    def authorize_account(
        self, realm_url: str, application_key_id: str, application_key: str
    ) -> dict[str, Any]:
        key = self.key_id_to_key.get(application_key_id)
        if key is None or key.key != application_key or has_expired(key):
            raise Refusal(401, "bad_auth_token", "")
        answer: dict[str, Any] = super().authorize_account(
            realm_url, application_key_id, application_key
        )
        storage = answer["apiInfo"]["storageApi"]
        storage["recommendedPartSize"] = self.recommended_part_size_bytes
        return answer

    def authorise(
        self,
        token: str | None,
        capability: str,
        bucket_id: str | None = None,
        name: str | None = None,
    ) -> None:
        """Check a token against everything its key is restricted to.

        Raises:
            Refusal: 401 with the code that the service would give.
        """
        key = self.auth_token_to_key.get(token)
        if key is None or self.key_id_to_key.get(key.application_key_id) is not key:
            raise Refusal(401, "bad_auth_token", "Invalid authorization token")
        if token in self.expired_auth_tokens or has_expired(key):
            raise Refusal(401, "expired_auth_token", "Authorization token has expired")
        if capability not in key.capabilities:
            raise unauthorized()
        if key.buckets_or_none and bucket_id not in {each["id"] for each in key.buckets_or_none}:
            raise unauthorized()
        prefix = key.name_prefix_or_none
        if prefix and name is not None and not name.startswith(prefix):
            raise unauthorized()

    def _assert_account_auth(
        self,
        api_url: str,
        account_auth_token: str,
        account_id: str,
        capability: str,
        bucket_id: str | None = None,
        file_name: str | None = None,
    ) -> None:
        self.authorise(account_auth_token, capability, bucket_id, file_name)

    def bucket(self, bucket_id: str) -> Bucket:
        """The bucket, or the simulator's `NonExistentBucket`."""
        bucket: Any = self._get_bucket_by_id(bucket_id)
        return bucket

    def file(self, file_id: str) -> File | None:
        """A file version, marker or unfinished large file; None where there is none."""
        bucket: Any = self.bucket_id_to_bucket.get(self.file_id_to_bucket_id.get(file_id, ""))
        return bucket.file_id_to_file.get(file_id) if bucket else None

    def bucket_named(self, name: str) -> Bucket | None:
        bucket: Any = self.bucket_name_to_bucket.get(name)
        return bucket

    def expire_tokens(self) -> None:
        """Let every token handed out so far be expired: account and upload tokens."""
        self.expired_auth_tokens.update(self.auth_token_to_key)


def has_expired(key: KeySimulator) -> bool:
    """Whether a key with a limited life is past it."""
    until_s = key.expiration_timestamp_or_none
    return until_s is not None and until_s <= time.time()
