"""Large files on their way to `B2Store`: what they carry, what is resumed, what is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from quarry.errors import (
    IntegrityError,
    StorageError,
)
from quarry.storage.b2 import B2Store
from tests.b2_server import B2Server, Fault, FaultKind
from tests.storage.b2_stores import LARGE_BYTES, PART_BYTES
from tests.storage.store_hooks import NAME, digest_of, put, write


def test_large_files_carry_both_digests_and_the_second_read_is_saved_by_a_known_one(
    server: B2Server, store: B2Store, large: Path
):
    sha1 = hashlib.sha1(large.read_bytes()).hexdigest()
    for name, known in (("a", None), ("b", sha1)):
        info = put(store, large, name, sha1=known)
        assert info.sha1 == sha1
        assert server.objects()[name].file_info == {
            "blake3": digest_of(large),
            "large_file_sha1": sha1,
        }


def test_another_file_does_not_take_up_an_unfinished_one(
    server: B2Server, store: B2Store, large: Path, tmp_path: Path
):
    server.faults.add(Fault(FaultKind.STORAGE_CAP_EXCEEDED, "upload_part", after=6, times=None))
    with pytest.raises(StorageError):
        put(store, large)
    server.faults.clear()
    (left,) = server.unfinished()
    other = write(tmp_path / "other", LARGE_BYTES, seed=3)
    put(store, other)
    assert server.content(NAME) == other.read_bytes()
    assert [each.file_id for each in server.unfinished()] == [left.file_id]


def test_a_part_that_changed_behind_an_unchanged_time_is_refused_at_once(
    store: B2Store, server: B2Server, tmp_path: Path
) -> None:
    large = write(tmp_path / "longer.h5", 30 * PART_BYTES, seed=3)
    digest, before = digest_of(large), large.stat()

    def interfere(done_bytes: int, size_bytes: int) -> None:
        with large.open("rb+") as file:
            file.seek(8 * PART_BYTES)
            file.write(b"other bytes")
        os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(IntegrityError, match="other bytes in part 9 than before"):
        store.put(large, NAME, blake3=digest, progress=interfere)
    assert server.count("upload_part", status=400) == 1
    assert server.versions() == []


def test_parts_that_share_memory_arrive_as_they_were_read(
    store: B2Store, server: B2Server, large: Path, tmp_path: Path
) -> None:
    server.faults.add(Fault(FaultKind.SERVICE_UNAVAILABLE, "upload_part", times=6, probability=0.4))
    put(store, large)
    assert server.content(NAME) == large.read_bytes()
    server.faults.add(Fault(FaultKind.RESET_IN_DOWNLOAD, times=6, probability=0.4))
    store.download(NAME, tmp_path / "back.h5", blake3=digest_of(large))
    assert (tmp_path / "back.h5").read_bytes() == large.read_bytes()
