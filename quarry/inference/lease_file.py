"""One lock file a device: whether it is locked, and what its holder wrote into it.

The lock is the kernel's (`flock`), so it is free as soon as no process has the file open that took
it; what stands in the file is for people, and means nothing while the lock is free. When locks are
taken and how long they are waited for is in `lease`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Generator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from quarry.errors import UsageError
from quarry.processes import host_mark, is_alive

SETTING = "QUARRY_LEASE_DIR"
SUFFIX = ".lock"
_EVERYBODY_READS_AND_WRITES = 0o666
_EVERYBODY_ADDS_FILES = 0o1777
_MOST_BYTES = 4096


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, as its file says.

    Args:
        pid: the process that took it.
        host: mark of the machine or container whose process that is.
        since: when it was taken, ISO 8601 with its time zone.
        work: what for, such as `demo_base, gsm8k-0shot|demo_base`; may be empty.
        run_id: the run that it belongs to; may be empty.
    """

    pid: int
    host: str
    since: str
    work: str = ""
    run_id: str = ""

    @classmethod
    def me(cls, work: str = "", run_id: str = "") -> Holder:
        """This process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), host_mark(), since, work, run_id)

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended, so that only what it started holds on."""
        if self.host != host_mark():
            return False
        return not is_alive(self.pid, datetime.fromisoformat(self.since).timestamp(), self.run_id)

    def __str__(self) -> str:
        """One clause for logs and errors."""
        there = "" if self.host == host_mark() else f" on {self.host}"
        who = f"process {self.pid}{there}"
        if self.has_ended:
            who = f"what process {self.pid} started, which has ended itself"
        about = [f"run {self.run_id[:8]}"] if self.run_id else []
        about += [self.work] if self.work else []
        return f"{who} since {self.since}" + (f" ({': '.join(about)})" if about else "")


def default_folder() -> Path:
    """Where leases of this machine are kept unless a setting says otherwise."""
    return Path(tempfile.gettempdir(), "quarry-leases")


def open_folder(folder: Path) -> None:
    """Make the folder of leases, in which every user of the machine may lease.

    Raises:
        UsageError: it can't be made, or is no directory.
    """
    with _refusal_named(folder):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise
            return
        folder.chmod(_EVERYBODY_ADDS_FILES)


def try_lock(path: Path) -> int | None:
    """Lock a file if it is free; the lock lasts as long as a copy of the descriptor is open.

    Raises:
        UsageError: the folder does not let us, or its file system has no locks.
    """
    while True:
        with _refusal_named(path):
            descriptor = _open(path)
            try:
                if not _took(descriptor, fcntl.LOCK_EX):
                    os.close(descriptor)
                    return None
                if _is_still(path, descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # somebody removed it in between: that lock excludes nobody


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _took(descriptor, fcntl.LOCK_SH)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def write_holder(descriptor: int, holder: Holder) -> None:
    """Say in a locked file who holds it; a full disk costs the name, not the lease."""
    text = json.dumps(asdict(holder)) + "\n"
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def clear_holder(descriptor: int) -> None:
    """Empty a locked file."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock of a file, by what stands there; None where that says nothing."""
    try:
        raw = json.loads(path.read_bytes()[:_MOST_BYTES])
        holder = Holder(
            pid=int(raw["pid"]),
            host=str(raw["host"]),
            since=str(raw["since"]),
            work=str(raw.get("work", "")),
            run_id=str(raw.get("run_id", "")),
        )
        has_zone = datetime.fromisoformat(holder.since).tzinfo is not None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return holder if has_zone else None


def _open(path: Path) -> int:
    """Open a lock file, made if needed so that every user may lock it.

    A file of another user is opened without O_CREAT, which Linux forbids in a folder such as /tmp.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, flags)
            break
        with contextlib.suppress(FileExistsError):
            mode = _EVERYBODY_READS_AND_WRITES
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(descriptor, mode)  # whatever the umask took away
            break
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return descriptor


def _took(descriptor: int, kind: int) -> bool:
    """Whether the lock was free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the file of that name is still the one that was opened."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))


@contextlib.contextmanager
def _refusal_named(path: Path) -> Generator[None]:
    """Turn what an operating system refuses into an error that says what to set."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            "A device can't be leased",
            where=str(path),
            expected="a folder on a local disk that this user may write to",
            got=error.strerror or type(error).__name__,
            fix=f"set {SETTING} to such a folder, the same for everybody on the machine",
        ) from error
