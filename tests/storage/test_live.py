"""The contract of object stores against a real bucket, and the service's own test modes.

Skipped unless QUARRY_LIVE_B2_KEY_ID, QUARRY_LIVE_B2_KEY and QUARRY_LIVE_B2_BUCKET name a scratch
bucket; the key needs listBuckets, listFiles, readFiles, writeFiles and deleteFiles on it. About
1 GB is sent. Everything lies under a prefix of its own and is deleted after each test.
QUARRY_LIVE_B2_REALM is another address of the service; `test_live_locally` gives the test server's.

    QUARRY_LIVE_B2_KEY_ID=... QUARRY_LIVE_B2_KEY=... QUARRY_LIVE_B2_BUCKET=... \\
        .venv/bin/pytest tests/storage/test_live.py
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
from b2sdk.v3 import B2HttpApiConfig, B2Session, InMemoryAccountInfo

from quarry.errors import StorageError
from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
from quarry.storage.b2_http import BoundedB2Session, BoundedSession, new_session
from quarry.storage.limits import Limits
from quarry.storage.object_store import ObjectInfo, ObjectStore
from tests.storage.object_store_contract import ObjectStoreContract
from tests.storage.prefixed_store import PrefixedStore
from tests.storage.store_hooks import digest_of, put, write
from tests.storage.test_b2_contract import KILLED_UPLOAD

NEEDED = ("QUARRY_LIVE_B2_KEY_ID", "QUARRY_LIVE_B2_KEY", "QUARRY_LIVE_B2_BUCKET")
KEY_ID, KEY, BUCKET = (os.environ.get(name, "") for name in NEEDED)
REALM = os.environ.get("QUARRY_LIVE_B2_REALM", "production")
RUN = f"quarry-live-tests/{uuid.uuid4().hex}"
TIME_LIMIT_S = 1200

pytestmark = [
    pytest.mark.skipif(
        not all((KEY_ID, KEY, BUCKET)), reason=f"no scratch bucket: set {', '.join(NEEDED)}"
    ),
    pytest.mark.timeout(TIME_LIMIT_S),
]


def live_account(session_factory: Callable[[], B2Session] = new_session) -> B2Account:
    return B2Account(B2Key(KEY_ID, KEY), BUCKET, realm=REALM, session_factory=session_factory)


def session_in_mode(mode: str) -> B2Session:
    """A session all of whose requests ask the service to misbehave in one way."""

    def http() -> requests.Session:
        made = BoundedSession()
        made.headers["X-Bz-Test-Mode"] = mode
        return made

    config = B2HttpApiConfig(http_session_factory=http, install_clock_skew_hook=False)
    return BoundedB2Session(InMemoryAccountInfo(), api_config=config)


class Live:
    """A prefix of the bucket for each test, empty before and after."""

    @pytest.fixture(autouse=True)
    def prefix(self, tmp_path: Path) -> Iterator[str]:
        self._account = live_account()
        self._account.connect(Limits("Connecting", BUCKET, deadline_s=60))
        self._part_bytes = self._account.smallest_part_bytes()
        self._lock_dir = tmp_path / "locks"
        self._prefix = f"{RUN}/{uuid.uuid4().hex}/"
        yield self._prefix
        self.store_of(self._account).clear()

    def store_of(self, account: B2Account) -> PrefixedStore:
        """One connection: a few parts are then enough to interfere between them."""
        store = B2Store(
            account,
            self._lock_dir,
            part_bytes=self._part_bytes,
            window_bytes=self._part_bytes // 5,
            n_connections=1,
        )
        return PrefixedStore(store, self._prefix)


class TestLiveStore(Live, ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def size_of_large_files(self, prefix: str) -> None:
        self.large_bytes = 2 * self._part_bytes + self._part_bytes // 50

    @pytest.fixture
    def store(self) -> ObjectStore:
        return self.store_of(self._account)

    def reopened(self, store: ObjectStore) -> ObjectStore:
        return self.store_of(live_account())

    def rot(self, store: ObjectStore, info: ObjectInfo) -> None:
        """Nobody can change a stored byte: a version with other bytes says that it is this one."""
        session, bucket_id = self._account.connect(Limits("Uploading", BUCKET, deadline_s=60))
        data = random.Random(7).randbytes(info.size_bytes)
        session.upload_file(
            bucket_id,
            self._prefix + info.name,
            len(data),
            "application/octet-stream",
            hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            {"blake3": info.blake3},
            io.BytesIO(data),
        )

    def leave_unfinished(self, store: ObjectStore, source: Path, name: str) -> None:
        arguments = [REALM, KEY_ID, KEY, BUCKET, str(self._lock_dir)]
        arguments += [str(source), self._prefix + name, digest_of(source)]
        done = subprocess.run([sys.executable, "-c", KILLED_UPLOAD, *arguments], check=False)
        assert done.returncode == -signal.SIGKILL


class TestModesOfTheService(Live):
    def in_mode(self, mode: str) -> PrefixedStore:
        return self.store_of(live_account(partial(session_in_mode, mode)))

    @pytest.mark.parametrize(
        "mode", ["fail_some_uploads", "expire_some_account_authorization_tokens"]
    )
    def test_what_passes_is_survived(self, tmp_path: Path, mode: str) -> None:
        store = self.in_mode(mode)
        sources = [write(tmp_path / f"{number}", 3_000, number) for number in range(6)]
        sources.append(write(tmp_path / "large", 2 * self._part_bytes + 100, 6))
        for source in sources:
            info = put(store, source, source.name)
            store.download(source.name, tmp_path / "target", blake3=digest_of(source))
            assert (tmp_path / "target").read_bytes() == source.read_bytes()
            assert store.versions(source.name) == [info]
        assert list(store.unfinished()) == []

    def test_a_cap_ends_an_upload_and_is_named(self, tmp_path: Path) -> None:
        store = self.in_mode("force_cap_exceeded")
        for size_bytes in (3_000, 2 * self._part_bytes + 100):
            source = write(tmp_path / "source", size_bytes)
            with pytest.raises(StorageError, match="a cap of the account is exceeded"):
                put(store, source, "a")
        assert self.store_of(self._account).head("a") is None
