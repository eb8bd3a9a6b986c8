from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarry.errors import IntegrityError
from quarry.storage.local import LocalStore
from quarry.storage.object_store import ObjectInfo, ObjectStore
from tests.storage.object_store_contract import ObjectStoreContract
from tests.storage.store_hooks import NAME, digest_of, put, write

KILLED_UPLOAD = """
import os, signal, sys
from pathlib import Path
from quarry.storage.local import LocalStore
root, source, name, digest = sys.argv[1:]
kill = lambda done, size: os.kill(os.getpid(), signal.SIGKILL)
LocalStore(Path(root)).put(Path(source), name, blake3=digest, progress=kill)
"""


def data_path(store: LocalStore, info: ObjectInfo) -> Path:
    return store.root / "objects" / f"{info.name},v" / info.version


class TestLocalStore(ObjectStoreContract):
    large_bytes = 9_000_000

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "store")

    def reopened(self, store: ObjectStore) -> LocalStore:
        return LocalStore(Path(str(store)))

    def rot(self, store: ObjectStore, info: ObjectInfo) -> None:
        assert isinstance(store, LocalStore)
        with data_path(store, info).open("r+b") as file:
            file.seek(info.size_bytes // 2)
            byte = file.read(1)
            file.seek(info.size_bytes // 2)
            file.write(bytes([byte[0] ^ 1]))

    def leave_unfinished(self, store: ObjectStore, source: Path, name: str) -> None:
        arguments = [str(store), str(source), name, digest_of(source)]
        done = subprocess.run([sys.executable, "-c", KILLED_UPLOAD, *arguments], check=False)
        assert done.returncode == -signal.SIGKILL

    def test_what_a_living_process_is_writing_is_not_swept(
        self, store: LocalStore, large: Path
    ) -> None:
        swept: list[object] = []

        def sweep(done_bytes: int, size_bytes: int) -> None:
            swept.extend(store.sweep_unfinished(datetime.now(UTC) + timedelta(days=1)))

        put(store, large, progress=sweep)
        assert swept == []

    def test_data_whose_sidecar_was_never_written_is_unfinished(
        self, store: LocalStore, small: Path, large: Path
    ) -> None:
        old, new = put(store, small), put(store, large)
        data_path(store, new).with_suffix(".json").unlink()
        assert store.head(NAME) == old
        assert [left.upload for left in store.unfinished()] == [new.version]

    def test_a_truncated_object_is_neither_read_short_unnoticed_nor_downloaded(
        self, store: LocalStore, small: Path, tmp_path: Path
    ) -> None:
        info = put(store, small)
        os.truncate(data_path(store, info), 1_000)
        with pytest.raises(IntegrityError, match="another size"):
            store.download(NAME, tmp_path / "target", blake3=digest_of(small))
        assert not (tmp_path / "target").exists()
        with pytest.raises(IntegrityError, match="ends early"):
            store.read_range(NAME, 900, 200)

    @pytest.mark.parametrize("content", ["", "{}", "[]", None])
    def test_a_damaged_sidecar_is_found_and_its_version_can_be_deleted(
        self, store: LocalStore, small: Path, content: str | None
    ) -> None:
        info = put(store, small)
        sidecar = data_path(store, info).with_suffix(".json")
        changed = sidecar.read_text().replace("3000", "3001") if content is None else content
        sidecar.write_text(changed)
        with pytest.raises(IntegrityError) as raised:
            store.head(NAME)
        assert raised.value.findings[0].kind == "remote_metadata_damaged"
        assert store.delete(NAME, info.version)
        assert put(store, small).size_bytes == 3_000

    def test_a_folder_that_exists_already_is_no_object(
        self, store: LocalStore, tmp_path: Path
    ) -> None:
        source = write(tmp_path / "source", 10)
        put(store, source, "a/b/c")
        assert store.head("a/b") is None
        assert store.head("a") is None
        assert [info.name for info in store.objects()] == ["a/b/c"]
