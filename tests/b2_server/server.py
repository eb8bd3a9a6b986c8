"""`B2Server`: what a test holds, to reach the service, script its faults and look behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self

import requests
from b2sdk.v2 import B2Api, B2HttpApiConfig, InMemoryAccountInfo

from tests.b2_server.account import Bucket, File
from tests.b2_server.exchanges import Exchange
from tests.b2_server.faults import Faults
from tests.b2_server.listing import all_versions, current_file, current_files
from tests.b2_server.service import Service


@dataclass(frozen=True)
class StoredFile:
    """One version as it is stored: `action` is `upload`, `hide`, or `start` while unfinished."""

    name: str
    file_id: str
    action: str
    size_bytes: int
    sha1: str
    file_info: dict[str, str]
    uploaded_ms: int
    part_count: int


class B2Server:
    """A context manager that serves B2 over loopback HTTP, with one private bucket to begin with.

    `url` is the realm; `key_id` and `key` are the account's master key; `bucket` is the name of
    the bucket. Parts may be small, so that large files in tests stay small. A mistake in the
    server itself is raised on leaving the context.
    """

    def __init__(
        self,
        bucket: str = "quarry-tests",
        minimum_part_size_bytes: int = 5_000,
        recommended_part_size_bytes: int = 10_000,
        seed: int = 0,
    ):
        self.faults = Faults(seed)
        self._service = Service(
            self.faults,
            minimum_part_size_bytes=minimum_part_size_bytes,
            recommended_part_size_bytes=recommended_part_size_bytes,
        )
        self.url = self._service.url
        self.bucket = bucket
        self._account = self._service.account
        self.key_id, self.key = self._account.create_account()
        self._clients: list[B2Api] = []
        self._sessions: list[requests.Session] = []

    def __enter__(self) -> Self:
        self._service.start()
        self._owner_token = self._authorize(self.key_id, self.key)
        self.create_bucket(self.bucket)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._service.defects and error is None:
            raise self._service.defects[0]

    def close(self) -> None:
        """Stop serving and close what `api()` gave out. No thread or socket is left."""
        self._service.close()
        for client in self._clients:
            services: Any = client.services
            managers = services.upload_manager, services.copy_manager, services.download_manager
            for pool in (manager._thread_pool._thread_pool for manager in managers):
                if pool is not None:
                    pool.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions:
            session.close()

    def api(self, key_id: str | None = None, key: str | None = None, **options: Any) -> B2Api:
        """An authorized b2sdk.v2 client; `options` go to `B2Api`."""
        config = B2HttpApiConfig(http_session_factory=self._session)
        account_info: Any = InMemoryAccountInfo()
        client = B2Api(account_info, api_config=config, **options)
        self._clients.append(client)
        client.authorize_account(self.url, key_id or self.key_id, key or self.key)
        return client

    def client_bucket(self, api: B2Api | None = None) -> Any:
        """The bucket as b2sdk sees it, through `api` or a new client."""
        return (api or self.api()).get_bucket_by_name(self.bucket)

    def create_bucket(self, name: str, public: bool = False) -> str:
        """Make another bucket and return its id."""
        kind = "allPublic" if public else "allPrivate"
        with self._account.lock:
            made: dict[str, Any] = self._account.create_bucket(
                self.url, self._owner_token, self.key_id, name, kind
            )
        return made["bucketId"]

    def create_key(
        self,
        capabilities: Sequence[str],
        prefix: str | None = None,
        only_the_bucket: bool = True,
        valid_s: int | None = None,
    ) -> tuple[str, str]:
        """A restricted key: its id and its secret."""
        buckets = [self._bucket.bucket_id] if only_the_bucket else None
        with self._account.lock:
            made: dict[str, Any] = self._account.create_key(
                self.url,
                self._owner_token,
                self.key_id,
                list(capabilities),
                "restricted",
                valid_s,
                buckets,
                prefix,
            )
        return made["applicationKeyId"], made["applicationKey"]

    def expire_tokens(self) -> None:
        """Let all tokens handed out so far be expired, those of uploads too."""
        with self._account.lock:
            self._account.expire_tokens()
            self._owner_token = self._authorize(self.key_id, self.key)

    @property
    def requests(self) -> list[Exchange]:
        """Every request so far, in the order of arrival."""
        return list(self._service.exchanges)

    def count(self, operation: str = "*", status: int | None = None) -> int:
        """How many requests there were, by a pattern of the operation and by status."""
        return sum(
            fnmatchcase(each.operation, operation) and status in (None, each.status)
            for each in self.requests
        )

    @property
    def bytes_in(self) -> int:
        """Bytes of all request bodies received."""
        return sum(each.bytes_in for each in self.requests)

    @property
    def bytes_out(self) -> int:
        """Bytes of all bodies sent."""
        return sum(each.bytes_out for each in self.requests)

    def objects(self) -> dict[str, StoredFile]:
        """What a person would see: the current version of every visible name."""
        with self._account.lock:
            return {file.name: described(file) for file in current_files(self._bucket)}

    def versions(self) -> list[StoredFile]:
        """Every version, hide marker and unfinished file; by name, newest first."""
        with self._account.lock:
            return [described(file) for file in all_versions(self._bucket)]

    def unfinished(self) -> list[StoredFile]:
        return [each for each in self.versions() if each.action == "start"]

    def content(self, name: str) -> bytes:
        """The bytes stored under a visible name."""
        with self._account.lock:
            return bytes(self._current(name).data_bytes)

    def rot(self, name: str, offset: int, flipped_bits: int = 1) -> None:
        """Change a stored byte, with no digest of the service taking notice."""
        with self._account.lock:
            self._current(name).data_bytes[offset] ^= flipped_bits

    def lose(self, name: str) -> None:
        """Remove all versions of a name, as if the bucket had never had it."""
        with self._account.lock:
            bucket = self._bucket
            for key in [key for key in bucket.file_name_and_id_to_file if key[0] == name]:
                del bucket.file_name_and_id_to_file[key], bucket.file_id_to_file[key[1]]

    @property
    def _bucket(self) -> Bucket:
        bucket = self._account.bucket_named(self.bucket)
        if bucket is None:
            raise KeyError(f"the bucket {self.bucket!r} was deleted")
        return bucket

    def _current(self, name: str) -> File:
        file = current_file(self._bucket, name)
        if file is None:
            raise KeyError(f"no visible file {name!r} in {self.bucket}; see versions()")
        return file

    def _authorize(self, key_id: str, key: str) -> str:
        return self._account.authorize_account(self.url, key_id, key)["authorizationToken"]

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a proxy of the environment must not see loopback
        self._sessions.append(session)
        return session


def described(file: File) -> StoredFile:
    """A version without its bytes."""
    parts = getattr(file, "parts", [])
    return StoredFile(
        name=file.name,
        file_id=file.file_id,
        action=file.action,
        size_bytes=len(file.data_bytes or b""),
        sha1=file.content_sha1,
        file_info=dict(file.file_info),
        uploaded_ms=file.upload_timestamp,
        part_count=sum(part is not None for part in parts),
    )
