"""What every `ObjectStore` promises; a store's test class inherits `ObjectStoreContract`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarry.errors import (
    FileMissingError,
    StorageConflictError,
    UsageError,
)
from quarry.storage.object_store import ABSENT, IsVersion, ObjectStore
from tests.storage.store_hooks import (
    BAD_NAMES,
    NAME,
    digest_of,
    put,
    write,
)
from tests.storage.transfer_contract import TransferContract


class ObjectStoreContract(TransferContract):
    """Subclasses give the fixture `store` and the hooks of `StoreHooks`."""

    @pytest.mark.parametrize("size_bytes", [0, 1, 3_000, None])
    def test_what_was_put_comes_back_byte_for_byte(
        self, store: ObjectStore, tmp_path: Path, target: Path, size_bytes: int | None
    ) -> None:
        size_bytes = self.large_bytes if size_bytes is None else size_bytes
        source = write(tmp_path / "source", size_bytes)
        info = put(store, source)
        assert (info.name, info.size_bytes, info.blake3) == (NAME, size_bytes, digest_of(source))
        assert store.download(NAME, target, blake3=digest_of(source)) == info
        assert target.read_bytes() == source.read_bytes()
        assert list(target.parent.iterdir()) == [target]

    def test_an_object_is_described_as_it_was_put(self, store: ObjectStore, small: Path) -> None:
        metadata = {"rows": "24", "note": "naïve 東京 100%+"}
        info = put(store, small, metadata=metadata)
        assert dict(info.metadata) == metadata
        assert store.head(NAME) == info
        assert store.head(NAME, info.version) == info
        assert self.reopened(store).head(NAME) == info

    def test_the_same_file_again_is_not_stored_again(self, store: ObjectStore, large: Path) -> None:
        first = put(store, large)
        assert put(store, large) == first
        assert put(store, large, condition=ABSENT) == first
        assert store.versions(NAME) == [first]

    def test_other_bytes_make_a_new_version_and_keep_the_old_one(
        self, store: ObjectStore, small: Path, large: Path, target: Path
    ) -> None:
        old, new = put(store, small), put(store, large)
        assert store.versions(NAME) == [new, old]
        assert store.head(NAME) == new
        store.download(NAME, target, blake3=digest_of(small), version=old.version)
        assert target.read_bytes() == small.read_bytes()

    def test_a_copy_that_went_bad_can_be_stored_again(
        self, store: ObjectStore, small: Path, target: Path
    ) -> None:
        bad = put(store, small)
        self.rot(store, bad)
        good = put(store, small, again=True)
        assert good.version != bad.version
        store.download(NAME, target, blake3=digest_of(small))
        assert target.read_bytes() == small.read_bytes()

    def test_a_condition_that_does_not_hold_forbids_a_new_version(
        self, store: ObjectStore, small: Path, large: Path
    ) -> None:
        with pytest.raises(StorageConflictError, match="no version"):
            put(store, small, condition=IsVersion("1"))
        first = put(store, small, condition=ABSENT)
        for condition in (ABSENT, IsVersion("1")):
            with pytest.raises(StorageConflictError, match="another version"):
                put(store, large, condition=condition)
        assert store.versions(NAME) == [first]
        second = put(store, large, condition=IsVersion(first.version))
        assert store.head(NAME) == second

    def test_what_does_not_exist_is_nothing_or_missing(
        self, store: ObjectStore, small: Path, target: Path
    ) -> None:
        info = put(store, small, "a/b.h5")
        assert store.head(NAME) is None
        assert store.head(NAME, info.version) is None
        assert store.head("a/b.h5", "unknown") is None
        assert store.versions("a") == []
        assert list(store.objects("b")) == []
        with pytest.raises(FileMissingError, match=NAME):
            store.read_range(NAME, 0, 10)
        with pytest.raises(FileMissingError, match=info.version):
            store.read_range(NAME, 0, 10, info.version)
        with pytest.raises(FileMissingError, match=NAME):
            store.download(NAME, target, blake3=digest_of(small))
        assert not target.exists()

    def test_a_range_is_short_only_where_the_object_ends(
        self, store: ObjectStore, large: Path
    ) -> None:
        info, data = put(store, large), large.read_bytes()
        end = len(data)
        for offset, size in [
            (0, 1),
            (5, 4096),
            (end - 3, 3),
            (end - 3, 99),
            (end, 1),
            (end + 9, 9),
        ]:
            assert store.read_range(NAME, offset, size) == data[offset : offset + size]
        assert store.read_range(NAME, 0, end + 1, info.version) == data
        assert store.read_range(NAME, 7, 0) == b""
        with pytest.raises(UsageError):
            store.read_range(NAME, -1, 2)

    def test_ranges_of_an_older_version_and_of_an_empty_object(
        self, store: ObjectStore, small: Path, large: Path, tmp_path: Path
    ) -> None:
        old = put(store, small)
        put(store, large)
        assert store.read_range(NAME, 10, 20, old.version) == small.read_bytes()[10:30]
        put(store, write(tmp_path / "empty", 0), "empty")
        assert store.read_range("empty", 0, 10) == b""

    def test_objects_are_listed_by_prefix_in_the_order_of_names(
        self, store: ObjectStore, small: Path, large: Path
    ) -> None:
        names = ["a", "a,v/b", "a/b", "a/b,v", "a/bc", "a/b.json", "ab", "東京/é"]
        for name in names:
            put(store, large, name)
            put(store, small, name)
        put(store, large, "a/b")
        for prefix in ("", "a", "a/", "a/b", "東", "x"):
            expected = sorted(name for name in names if name.startswith(prefix))
            listed = list(store.objects(prefix))
            assert [info.name for info in listed] == expected
            assert listed == [store.head(name) for name in expected]
        assert len(store.versions("a/b")) == 3

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    def test_a_name_that_could_be_taken_for_another_is_refused(
        self, store: ObjectStore, small: Path, target: Path, name: str
    ) -> None:
        for call in (
            lambda: put(store, small, name),
            lambda: store.head(name),
            lambda: store.versions(name),
            lambda: store.read_range(name, 0, 1),
            lambda: store.download(name, target, blake3="0" * 64),
            lambda: store.delete(name, "1"),
        ):
            with pytest.raises(UsageError):
                call()
        assert list(store.objects()) == []

    @pytest.mark.parametrize(
        "metadata",
        [{"blake3": "1"}, {"A": "1"}, {"a b": "1"}, {"a": "x\n"}, {"a": "x" * 2000}],
        ids=["reserved", "upper case", "space", "line break", "too long"],
    )
    def test_metadata_that_would_not_come_back_is_refused(
        self, store: ObjectStore, small: Path, metadata: dict[str, str]
    ) -> None:
        with pytest.raises(UsageError):
            put(store, small, metadata=metadata)

    def test_deleting_takes_one_version_only(
        self, store: ObjectStore, small: Path, large: Path
    ) -> None:
        old, new = put(store, small), put(store, large)
        assert store.delete(NAME, new.version)
        assert not store.delete(NAME, new.version)
        assert not store.delete("other", old.version)
        assert store.versions(NAME) == [old]
        assert store.read_range(NAME, 0, 5) == small.read_bytes()[:5]
        assert store.delete(NAME, old.version)
        assert store.head(NAME) is None
        assert list(store.objects()) == []
        assert put(store, large).version not in (old.version, new.version)

    def test_what_a_killed_upload_left_is_listed_swept_and_never_an_object(
        self, store: ObjectStore, small: Path, large: Path
    ) -> None:
        stored = put(store, small)
        self.leave_unfinished(store, large, NAME)
        (left,) = store.unfinished("trajectories/")
        assert left.name == NAME
        assert list(store.unfinished("other/")) == []
        assert list(store.objects()) == [stored]
        assert store.versions(NAME) == [stored]
        assert store.sweep_unfinished(left.started_at - timedelta(days=1)) == []
        assert store.sweep_unfinished(datetime.now(UTC) + timedelta(days=1)) == [left]
        assert list(store.unfinished()) == []
        assert store.head(NAME) == stored

    def test_workers_that_put_the_same_file_at_once_store_it_once(
        self, store: ObjectStore, large: Path
    ) -> None:
        stores = [store, *(self.reopened(store) for _ in range(3))]
        with ThreadPoolExecutor(len(stores)) as pool:
            infos = list(pool.map(lambda each: put(each, large), stores))
        assert [replace(info) for info in infos] == store.versions(NAME) * len(stores)
        assert list(store.unfinished()) == []
