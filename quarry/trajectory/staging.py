"""Where files lie while they are being written: `<data_dir>/staging`, one name per owner.

The name says who owns the file (host, boot, process, start time), so that what a killed process
left behind is recognised and swept, and what a living one is writing is not.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.keys import TrajectoryKey

if TYPE_CHECKING:
    from quarry.inference.engine import Usage
    from quarry.trajectory.journal import Journal
    from quarry.trajectory.manifest import Manifest

TRAJECTORIES_VIEW = "trajectories"
SALVAGED_VIEW = "salvaged"
JOURNAL_SUFFIX = ".journal"
_OWNER = re.compile(r"\.by-(?P<host>\w{8})-(?P<boot>\w{8})-(?P<pid>\d+)-(?P<start>\d+)-\w{8}\.")
_HIDDEN = -2
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class StagedFile:
    """A finished file that has no final name yet.

    Args:
        path: where it lies.
        manifest: what it is; verified and written beside it when it is published.
        journal: its journal, whose lock keeps others off until it is published.
        n_kept: samples that earlier runs had left and that were not run again.
        usage: what the engine did for the others; None where no engine made the file.
    """

    path: Path
    manifest: Manifest
    journal: Journal | None = field(default=None, compare=False)
    n_kept: int = field(default=0, compare=False)
    usage: Usage | None = field(default=None, compare=False)


def staging_path(data_dir: Path, key: TrajectoryKey, view: str = TRAJECTORIES_VIEW) -> Path:
    """A new path in staging for a grid cell's file; the folder is made, the file is not.

    Args:
        data_dir: the platform's data directory.
        key: the grid cell.
        view: what the file is, such as `trajectories` or `labelled`.
    """
    folder = data_dir / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{cell_name(key)}.{view}{owner_mark()}h5"


def cell_name(key: TrajectoryKey) -> str:
    """How names in staging begin; names have dots, so `a.v1` x `b` is not `a` x `v1.b`."""
    return f"{key.model}+{key.benchmark}"


def owner_mark() -> str:
    """The part of a file name that says that this process owns it, with a dot at each end."""
    return f".by-{_host()}-{_boot()}-{os.getpid()}-{_start(os.getpid())}-{uuid.uuid4().hex[:8]}."


def is_abandoned(name: str) -> bool:
    """Whether a file name carries an owner of this machine that no longer runs.

    An owner on another machine or in another container can't be judged from here and counts as
    alive.
    """
    found = _OWNER.search(name)
    if found is None or found["host"] != _host():
        return False
    return found["boot"] != _boot() or _start(int(found["pid"])) not in (
        int(found["start"]),
        _HIDDEN,
    )


def staged_files(data_dir: Path, key: TrajectoryKey) -> list[Path]:
    """A cell's trajectory files in staging, half-written or salvaged, newest first."""
    return _newest_first(data_dir / "staging", cell_name(key))


def siblings_of(staged: Path) -> list[Path]:
    """The other trajectory files in staging of the cell that a staged file belongs to."""
    cell, found, _ = staged.name.partition(f".{TRAJECTORIES_VIEW}.by-")
    others = _newest_first(staged.parent, cell) if found else []
    return [path for path in others if path != staged]


def _newest_first(folder: Path, cell: str) -> list[Path]:
    """Half-written and salvaged files of a cell."""
    heads = (f"{cell}.{TRAJECTORIES_VIEW}.by-", f"{cell}.{SALVAGED_VIEW}-")
    try:
        paths = list(folder.iterdir())  # a pattern for each cell of a large grid costs seconds
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    found = [path for path in paths if path.name.startswith(heads) and path.suffix == ".h5"]
    return sorted(found, key=lambda path: (-_written_at(path), path.name))


def _written_at(path: Path) -> int:
    """When a file was last written to, in nanoseconds; 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def sweep_staging(data_dir: Path) -> list[Path]:
    """Remove what dead processes left in staging; returns what was removed.

    A half-written file with a journal stays with it: the next collection of its cell goes on from
    there.
    """
    found = sorted((data_dir / "staging").glob("*"))
    journals = {path.name for path in found if path.name.endswith(JOURNAL_SUFFIX)}
    kept = {
        name
        for journal in journals
        for name in (journal, journal.removesuffix(JOURNAL_SUFFIX))
        if (data_dir / "staging" / journal.removesuffix(JOURNAL_SUFFIX)).exists()
    }
    swept = [path for path in found if is_abandoned(path.name) and path.name not in kept]
    for path in swept:
        path.unlink(missing_ok=True)
    return swept


def _host() -> str:
    """A short hash of this machine's or container's name and of its table of processes."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = ""
    return hashlib.blake2s((platform.node() + processes).encode(), digest_size=4).hexdigest()


def _boot() -> str:
    """A short hash of this boot; process ids start again with each."""
    boot = _BOOT_ID.read_bytes() if _BOOT_ID.exists() else b""
    return hashlib.blake2s(boot, digest_size=4).hexdigest()


def _start(pid: int) -> int:
    """When a process started, in clock ticks since boot; -1 if there is none.

    Where the system has no `/proc`, 0 for every process that exists; `_HIDDEN` for one of another
    user on a machine whose `/proc` shows everybody only their own.
    """
    if not Path("/proc/self/stat").exists():
        return 0 if _exists(pid) else -1
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _HIDDEN if _exists(pid) else -1
    # The second field is the program's name in parentheses and may hold anything.
    return int(stat.rpartition(")")[2].split()[19])


def _exists(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
