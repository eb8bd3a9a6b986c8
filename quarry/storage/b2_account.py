"""`B2Account`: a key, the bucket that it opens, and the session with both. Nothing is on disk.

A key needs listBuckets, listFiles, readFiles and, to write, writeFiles, on one bucket. It should
not have deleteFiles, writeBuckets or writeKeys where only mirroring is done.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from b2sdk.v3 import B2Session

from quarry.errors import StorageRefusedError
from quarry.storage.b2_http import new_session
from quarry.storage.b2_key import B2Key
from quarry.storage.b2_retry import is_refused_token, patiently
from quarry.storage.limits import Limits


class B2Account:
    """One bucket as one key sees it; connected at the first call.

    Args:
        key: the application key.
        bucket: the bucket's name.
        realm: `production`, or the URL of a server that speaks B2's native API.
        session_factory: makes the b2sdk session.
    """

    def __init__(
        self,
        key: B2Key,
        bucket: str,
        *,
        realm: str = "production",
        session_factory: Callable[[], B2Session] = new_session,
    ) -> None:
        self.bucket = bucket
        self._key = key
        self._realm = realm
        self._session = session_factory()
        self._bucket_id: str | None = None
        self._lock = threading.Lock()

    def connect(self, limits: Limits) -> tuple[B2Session, str]:
        """The session and the bucket's id, after authorisation.

        Raises:
            StorageRefusedError: the key is refused or does not open the bucket.
            StorageDeadlineError, StorageCancelledError: the limits.
        """
        with self._lock:
            if self._bucket_id is None:
                patiently(self._authorize, limits, stays=is_refused_token)
                self._bucket_id = patiently(self._find_bucket, limits)
            return self._session, self._bucket_id

    def smallest_part_bytes(self) -> int:
        """The smallest part of a large file that the service takes, once connected."""
        return cast("int", self._session.account_info.get_absolute_minimum_part_size())

    def _authorize(self) -> None:
        """Exchange the key for a token."""
        self._session.authorize_account(self._realm, *self._key.reveal())

    def _find_bucket(self) -> str:
        """The bucket's id."""
        account_id = self._session.account_info.get_account_id()
        answer: dict[str, Any] = self._session.list_buckets(account_id, bucket_name=self.bucket)
        for bucket in cast("list[dict[str, Any]]", answer["buckets"]):
            if bucket["bucketName"] == self.bucket:
                return bucket["bucketId"]
        raise StorageRefusedError(
            "The bucket does not exist, or the key does not open it",
            where=f"b2://{self.bucket}",
            expected="a bucket of this name",
            got="no such bucket",
            fix="check the bucket's name and what the application key is restricted to",
        )
