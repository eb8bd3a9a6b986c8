from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.storage.b2 import B2Store
from quarry.storage.object_store import ObjectInfo, ObjectStore
from tests.b2_server import B2Server
from tests.storage.b2_stores import b2_store
from tests.storage.object_store_contract import ObjectStoreContract
from tests.storage.store_hooks import digest_of, put

KILLED_UPLOAD = """
import os, signal, sys
from pathlib import Path
from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
url, key_id, key, bucket, locks, source, name, digest = sys.argv[1:]
kill = lambda done, size: os.kill(os.getpid(), signal.SIGKILL)
account = B2Account(B2Key(key_id, key), bucket, realm=url)
store = B2Store(account, Path(locks), part_bytes=5_000)
store.put(Path(source), name, blake3=digest, progress=kill)
"""


class TestB2Store(ObjectStoreContract):
    large_bytes = 100_000

    @pytest.fixture
    def server(self) -> Iterator[B2Server]:
        with B2Server() as running:
            yield running

    @pytest.fixture
    def store(self, server: B2Server, tmp_path: Path) -> B2Store:
        self._server, self._lock_dir = server, tmp_path / "locks"
        return b2_store(server, self._lock_dir)

    def reopened(self, store: ObjectStore) -> B2Store:
        return b2_store(self._server, self._lock_dir)

    def rot(self, store: ObjectStore, info: ObjectInfo) -> None:
        self._server.rot(info.name, info.size_bytes // 2)

    def leave_unfinished(self, store: ObjectStore, source: Path, name: str) -> None:
        server = self._server
        arguments = [server.url, server.key_id, server.key, server.bucket, str(self._lock_dir)]
        arguments += [str(source), name, digest_of(source)]
        done = subprocess.run([sys.executable, "-c", KILLED_UPLOAD, *arguments], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(self._server.unfinished()) == 1

    def test_parts_are_taken_up_where_a_killed_upload_left_them(
        self, store: B2Store, server: B2Server, large: Path
    ) -> None:
        self.leave_unfinished(store, large, "a")
        sent = server.count("upload_part", status=200)
        assert sent > 0
        put(self.reopened(store), large, "a")
        n_parts = self.large_bytes // 5_000
        assert n_parts <= server.count("upload_part", status=200) <= n_parts + 4
        assert server.content("a") == large.read_bytes()

    def test_hidden_objects_are_not_current_but_keep_their_versions(
        self, store: B2Store, server: B2Server, small: Path, large: Path
    ) -> None:
        info = put(store, small, "a/b")
        server.client_bucket().hide_file("a/b")
        assert store.head("a/b") is None
        assert list(store.objects()) == []
        assert store.versions("a/b") == [info]
        assert store.head("a/b", info.version) == info

    def test_files_of_other_programs_are_listed_without_a_digest(
        self, store: B2Store, server: B2Server
    ) -> None:
        server.client_bucket().upload_bytes(b"foreign", "a/b")
        (info,) = store.objects()
        assert (info.size_bytes, info.blake3) == (7, None)
        assert store.read_range("a/b", 0, 100) == b"foreign"
