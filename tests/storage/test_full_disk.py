"""A disk without an inode left: a real small file system, where this system lets us make one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.full_disk import ROOT, can_mount

CHILD = """
import sys
from pathlib import Path
from quarry.errors import StorageFullError
from quarry.repair.good_copy import LocalCopy
from quarry.repair.repairing import repair
from quarry.storage.b2_lock import object_lock
from quarry.storage.limits import Limits
from quarry.storage.local import LocalStore
from tests.storage.store_hooks import digest_of, put

disk, published = map(Path, sys.argv[1:])
store = LocalStore(disk / "store")
put(store, published, "a")
(disk / "data").mkdir()
for number in range(100):
    try:
        (disk / f"{number}").touch()
    except OSError:
        break
before = sorted(disk.rglob("*"))
tries = {
    "download": lambda: store.download("a", disk / "t", blake3=digest_of(published)),
    "download to a new folder": lambda: store.download(
        "a", disk / "new" / "t", blake3=digest_of(published)
    ),
    "put": lambda: put(store, published, "b"),
    "lock": lambda: object_lock(disk / "locks", "a", Limits("An upload", "a", 10)).__enter__(),
    "repair": lambda: repair(disk / "data" / published.name, LocalCopy(published)),
}
for name, call in tries.items():
    try:
        call()
    except StorageFullError as error:
        print(name, "full", sorted(disk.rglob("*")) == before, {*error.parts()} == {
            "what", "where", "expected", "got", "fix"})
"""


def test_a_disk_without_names_is_a_full_disk_everywhere(published: Path, tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("this system lets no child mount a file system of its own")
    (tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=16m,nr_inodes=16 none "$0" && exec "$@"'
    child = [sys.executable, "-c", CHILD, str(tmp_path / "disk"), str(published)]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount,
         str(tmp_path / "disk"), *child],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{name} full True True"
        for name in ("download", "download to a new folder", "put", "lock", "repair")
    ]
