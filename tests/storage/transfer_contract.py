"""What every `ObjectStore` promises of transfers that go wrong."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    StorageCancelledError,
    StorageDeadlineError,
    StorageFullError,
)
from quarry.storage.object_store import ObjectStore
from tests.storage.store_hooks import (
    NAME,
    StoreHooks,
    digest_of,
    no_file_above,
    put,
    write,
)


class TransferContract(StoreHooks):
    def test_damaged_bytes_never_reach_the_final_name(
        self, store: ObjectStore, large: Path, target: Path
    ) -> None:
        self.rot(store, put(store, large))
        target.parent.mkdir()
        target.write_bytes(b"an older file")
        with pytest.raises(IntegrityError, match="other bytes") as raised:
            store.download(NAME, target, blake3=digest_of(large))
        assert raised.value.findings[0].kind == "digest"
        assert target.read_bytes() == b"an older file"
        assert list(target.parent.iterdir()) == [target]

    def test_another_file_than_expected_is_not_downloaded(
        self, store: ObjectStore, small: Path, large: Path, target: Path
    ) -> None:
        put(store, small)
        with pytest.raises(IntegrityError, match="another file"):
            store.download(NAME, target, blake3=digest_of(large))
        assert not target.parent.exists()

    def test_a_download_replaces_an_older_file(
        self, store: ObjectStore, small: Path, target: Path
    ) -> None:
        target.parent.mkdir()
        target.write_bytes(b"an older file")
        put(store, small)
        store.download(NAME, target, blake3=digest_of(small))
        assert target.read_bytes() == small.read_bytes()

    def test_without_room_nothing_is_left(
        self, store: ObjectStore, large: Path, target: Path
    ) -> None:
        put(store, large)
        with no_file_above(self.large_bytes // 2), pytest.raises(StorageFullError):
            store.download(NAME, target, blake3=digest_of(large))
        assert list(target.parent.iterdir()) == []

    def test_a_file_that_is_not_what_its_manifest_says_is_not_stored(
        self, store: ObjectStore, small: Path, large: Path, tmp_path: Path
    ) -> None:
        for source in (small, large):
            with pytest.raises(IntegrityError, match="other bytes"):
                store.put(source, NAME, blake3="0" * 64)
            with pytest.raises(IntegrityError, match="other bytes"):
                store.put(source, NAME, blake3=digest_of(source), sha1="0" * 40)
        with pytest.raises(FileMissingError):
            store.put(tmp_path / "absent", NAME, blake3="0" * 64)
        assert store.head(NAME) is None
        assert list(store.unfinished()) == []

    @pytest.mark.parametrize("change", ["appended", "truncated", "replaced"])
    def test_a_file_that_changes_during_the_upload_is_not_stored(
        self, store: ObjectStore, large: Path, tmp_path: Path, change: str
    ) -> None:
        digest = digest_of(large)
        other = write(tmp_path / "other", self.large_bytes, seed=2)

        def interfere(done_bytes: int, size_bytes: int) -> None:
            if change == "appended":
                with large.open("ab") as file:
                    file.write(b"more")
            elif change == "truncated":
                large.write_bytes(large.read_bytes()[:-100])
            elif other.exists():
                other.replace(large)

        with pytest.raises(IntegrityError, match="changed while"):
            store.put(large, NAME, blake3=digest, progress=interfere)
        assert store.head(NAME) is None
        assert list(store.unfinished()) == []

    def test_a_cancelled_upload_is_invisible_and_can_be_run_again(
        self, store: ObjectStore, large: Path, target: Path
    ) -> None:
        cancel = threading.Event()
        with pytest.raises(StorageCancelledError):
            put(store, large, cancel=cancel, progress=lambda done, size: cancel.set())
        assert store.head(NAME) is None
        assert list(store.objects()) == []
        put(store, large)
        store.download(NAME, target, blake3=digest_of(large))
        assert list(store.unfinished()) == []

    def test_a_cancelled_download_leaves_nothing(
        self, store: ObjectStore, large: Path, target: Path
    ) -> None:
        put(store, large)
        cancel = threading.Event()
        with pytest.raises(StorageCancelledError):
            store.download(
                NAME,
                target,
                blake3=digest_of(large),
                cancel=cancel,
                progress=lambda done, size: cancel.set(),
            )
        assert list(target.parent.iterdir()) == []

    def test_no_time_is_a_deadline_error(
        self, store: ObjectStore, small: Path, target: Path
    ) -> None:
        with pytest.raises(StorageDeadlineError):
            put(store, small, deadline_s=0)
        assert store.head(NAME) is None
        put(store, small)
        with pytest.raises(TimeoutError):
            store.download(NAME, target, blake3=digest_of(small), deadline_s=0)
        assert not target.exists()

    def test_progress_grows_to_the_size(
        self, store: ObjectStore, large: Path, target: Path
    ) -> None:
        seen: list[tuple[int, int]] = []
        put(store, large, progress=lambda *done: seen.append(done))
        n_upload = len(seen)
        store.download(
            NAME, target, blake3=digest_of(large), progress=lambda *done: seen.append(done)
        )
        for steps in (seen[:n_upload], seen[n_upload:]):
            assert len(steps) > 1
            assert steps == sorted(steps)
            assert steps[-1] == (self.large_bytes, self.large_bytes)
