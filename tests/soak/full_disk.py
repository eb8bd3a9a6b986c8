"""A download onto a disk that is full: a small real one where the system lets us make it.

    room       a file system of 2 MiB that has less free than the file and its reserve need
    names      a file system whose inodes are used up: no file can be made, whatever its size
    file size  the process may write no file of this size (RLIMIT_FSIZE), found while reserving

The first two are a tmpfs in a user and mount namespace of a child, which needs no privilege on most
systems; where that is refused (some containers and hardened kernels) all three become the third.
Run as `python -m tests.soak.full_disk KIND FOLDER URL KEY_ID KEY BUCKET NAME DIGEST LOCKS`.
"""

from __future__ import annotations

import functools
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from quarry.errors import QuarryError
from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
from tests.b2_server import B2Server

KINDS = ("room", "names", "file size")
ROOT = Path(__file__).resolve().parents[2]
OLDER = b"an older file"
_OPTIONS = {"room": "size=1m", "names": "size=16m,nr_inodes=4"}
_FULL_STATUS = 7


@functools.cache
def can_mount() -> bool:
    """Whether this system lets a child mount a file system of its own."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none"]
    done = subprocess.run([*probe, "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


def download_to_full_disk(
    kind: str, folder: Path, server: B2Server, name: str, digest: str
) -> tuple[str, list[str]]:
    """Try the download in a child; gives its error and what it left behind wrongly.

    Args:
        kind: one of `KINDS`.
        folder: an empty folder that becomes the disk.
        server: has the object.
        name: the object.
        digest: BLAKE3 of its bytes.
    """
    real = kind in _OPTIONS and can_mount()
    given = [kind if real else "file size", str(folder), server.url, server.key_id, server.key]
    command = [sys.executable, "-m", "tests.soak.full_disk", *given, server.bucket, name, digest]
    command.append(str(folder.parent / "locks"))
    if real:
        mount = f'mount -t tmpfs -o {_OPTIONS[kind]} none "$0" && exec "$@"'
        inside = ["sh", "-c", mount, str(folder), *command]
        command = ["unshare", "--user", "--map-root-user", "--mount", *inside]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    if done.returncode != _FULL_STATUS:
        return done.stderr[-800:], [f"the child ended with {done.returncode}, not by a clear error"]
    error, _, left = done.stdout.partition("\0")
    return error, [left] if left else []


def main() -> None:
    """The child."""
    kind, folder, url, key_id, key, bucket, name, digest, locks = sys.argv[1:]
    disk = Path(folder)
    target = disk / "file.h5"
    target.write_bytes(OLDER)
    if kind == "names":
        _use_up_names(disk)
    account = B2Account(B2Key(key_id, key), bucket, realm=url)
    before = sorted(path.name for path in disk.iterdir())
    if kind == "file size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
    try:
        B2Store(account, Path(locks)).download(name, target, blake3=digest, deadline_s=20)
    except QuarryError as error:
        parts = error.parts()
        lacking = {"where", "expected", "got", "fix"} - parts.keys()
        wrong = f"the error lacks {sorted(lacking)}" if lacking else ""
        if sorted(path.name for path in disk.iterdir()) != before or target.read_bytes() != OLDER:
            wrong += f" left: {sorted(path.name for path in disk.iterdir())}"
        sys.stdout.write(f"{error}\0{wrong}")
        sys.exit(_FULL_STATUS)


def _use_up_names(disk: Path) -> None:
    """Make files until the file system has no inode left."""
    for number in range(100):
        try:
            (disk / f"{number}").touch()
        except OSError:
            return
    raise AssertionError("the file system has inodes without end")


if __name__ == "__main__":
    main()
