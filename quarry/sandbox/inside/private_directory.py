"""The private directory of a program: empty before it, bounded while it runs, gone after it.

`MountedDirectory` lives in memory and dies with its process (`strict`); `HostDirectory` is a folder
below the machine's temporary one, watched and removed by the zygote. Who may write where else is
not decided here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from pathlib import Path

from quarry.sandbox.inside import kernel_calls

NOBODY = 65534
"""The user and the group that a program has in a box of its own."""

_PREFIX = "quarry-box-"
_MOST_BYTES = 64 << 20
_MOST_ENTRIES = 1000
_BLOCK_BYTES = 512  # of st_blocks, whatever the file system
_SEMAPHORES = "/dev/shm"  # where the C library keeps those of multiprocessing's thread pools
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MountedDirectory:
    """An empty file system in memory, in a mount namespace that only the worker is in."""

    path = "/tmp"
    watch_period_s: float | None = None

    def prepare(self) -> None:
        """Nothing: it comes to be with the worker."""

    def mount(self) -> None:
        """Mount it where only this process sees it."""
        kernel_calls.unshare_mounts()
        owner = f"mode=700,uid={NOBODY},gid={NOBODY}"
        kernel_calls.mount_tmpfs(self.path, f"size=16m,nr_inodes={_MOST_ENTRIES},{owner}")
        kernel_calls.mount_tmpfs(_SEMAPHORES, f"size=1m,nr_inodes=100,{owner}")

    def is_over_quota(self) -> bool:
        """Never: the kernel refuses what is too much."""
        return False

    def clear(self) -> None:
        """Nothing: it ended with the worker."""

    def close(self) -> None:
        """Nothing: it ended with the worker."""


class HostDirectory:
    """A folder below a base that is this zygote's own and locked while the zygote lives.

    Attributes:
        base: the directory that nobody else writes in.
        path: the program's directory in it.
    """

    watch_period_s: float | None = 0.05

    def __init__(self, temporary: str) -> None:
        """Make the base, and remove those whose zygotes were killed."""
        remove_abandoned(temporary)
        self.base = tempfile.mkdtemp(prefix=_PREFIX, dir=temporary)
        self._lock = os.open(self.base, _DIRECTORY_FLAGS)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = f"{self.base}/program"

    def linked(self, packages: dict[str, str]) -> str:
        """A directory beside the program's that holds links to `packages` and nothing else."""
        directory = Path(self.base, "packages")
        directory.mkdir(mode=0o700)
        for name, target in packages.items():
            (directory / name).symlink_to(target)
        return str(directory)

    def prepare(self) -> None:
        """Make the program's folder."""
        Path(self.path).mkdir(mode=0o700)

    def mount(self) -> None:
        """Nothing: it is there."""

    def is_over_quota(self) -> bool:
        """Whether more lies there than a program may write.

        A folder that is shut, or deeper than a path can be long, counts as full; what vanishes
        while it is looked at does not count.
        """
        n_bytes = n_entries = 0
        folders = [self.path]
        while folders:
            try:
                sizes = _sizes_bytes(folders.pop(), folders)
            except OSError:
                return True
            n_entries += len(sizes)
            n_bytes += sum(sizes)
            if n_bytes > _MOST_BYTES or n_entries > _MOST_ENTRIES:
                return True
        return False

    def clear(self) -> None:
        """Remove the program's folder with whatever lies in it."""
        remove_tree("program", self._lock)

    def close(self) -> None:
        """Remove the base."""
        remove_tree(self.base)
        os.close(self._lock)


def _sizes_bytes(folder: str, found: list[str]) -> list[int]:
    """What each entry of a folder takes; the folders among them are added to `found`."""
    sizes: list[int] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                sizes.append(entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES)
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
    return sizes


def remove_abandoned(temporary: str) -> None:
    """Remove the bases below `temporary` that nobody holds locked."""
    with os.scandir(temporary) as entries:
        bases = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for base in bases:
        with contextlib.suppress(OSError):  # another user's, in use, or gone meanwhile
            lock = os.open(base, _DIRECTORY_FLAGS)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(base)
            finally:
                os.close(lock)


def remove_tree(name: str, within: int | None = None) -> None:
    """Remove a tree however deep or unreadable it is, following no link.

    Goes down and up again by one open folder at a time, so that neither the length of a path nor
    the number of open files bounds the depth. Nobody may change the tree meanwhile.

    Args:
        name: of the tree's top folder; nothing happens where it does not exist.
        within: open folder that the name is relative to.
    """
    try:
        current = _opened(name, within)
    except FileNotFoundError:
        return
    way: list[str] = []
    try:
        while (folder := _next_folder(current)) is not None or way:
            if folder is not None:
                way.append(folder)
                current = _replaced(current, _opened(folder, current))
            else:
                current = _replaced(current, os.open("..", _DIRECTORY_FLAGS, dir_fd=current))
                os.rmdir(way.pop(), dir_fd=current)
    finally:
        os.close(current)
    os.rmdir(name, dir_fd=within)


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def _opened(name: str, within: int | None) -> int:
    """The open folder, made usable where its owner had shut it."""
    try:
        folder = os.open(name, _DIRECTORY_FLAGS, dir_fd=within)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=within)
        return os.open(name, _DIRECTORY_FLAGS, dir_fd=within)
    os.fchmod(folder, stat.S_IRWXU)
    return folder


def _next_folder(folder: int) -> str | None:
    """Remove what is no folder; the name of one that is left."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name, dir_fd=folder)
    return None
