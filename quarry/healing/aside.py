"""Damaged files that were replaced, kept for a while: one folder each, named by cell, time and why.

    aside/<model>+<benchmark>/<time>-<why>-<id>/<task>_trajectories.replaced.h5

Manifest and tables lie beside it under fitting names, so that `quarry verify` and `quarry salvage`
work there; the name's end keeps it out of what looks for published files. A file goes aside as a
second name of the same bytes where the file system can do that, so that it costs no room before it
is replaced, and there is no moment in which it has no name at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quarry.errors import FileMissingError, IntegrityError, QuarryError
from quarry.keys import TrajectoryKey
from quarry.storage.download import sync_folder
from quarry.trajectory.digest_table import SUFFIX as TABLE_SUFFIX
from quarry.trajectory.digests import file_digest
from quarry.trajectory.manifest import SUFFIX as MANIFEST_SUFFIX
from quarry.trajectory.manifest import manifest_path, read_manifest, write_manifest
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import cell_name, is_abandoned, owner_mark
from quarry.trajectory.verify_light import check_light

PUBLISHED = "*_trajectories.h5"
_ENDING = ".replaced.h5"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<time>\d{8}T\d{6}Z)-(?P<why>[a-z0-9_]+)-[0-9a-f]{8}")
_UNFIT = re.compile(r"[^a-z0-9_]+")
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


@dataclass(frozen=True)
class AsideFile:
    """A file that was replaced and is kept.

    Args:
        path: where it lies; manifest and tables lie beside it as they were.
        key: the cell in whose place it lay.
        kept_at: when it was put aside, in UTC.
        why: machine name of the defect for which it was replaced.
        size_bytes: its size.
        blake3: digest of the version that its manifest names; none without a whole manifest.
    """

    path: Path
    key: TrajectoryKey
    kept_at: datetime
    why: str
    size_bytes: int
    blake3: str | None


def keep_aside(path: Path, key: TrajectoryKey, aside: Path, why: str) -> Path:
    """Give a file a second name in `aside`, with its manifest and tables; it stays where it is.

    Doing it again for the same file changes nothing.

    Args:
        path: the file.
        key: the cell in whose place it lies.
        aside: the folder of all that is kept.
        why: machine name of its defect.

    Returns:
        The file's second name.

    Raises:
        StorageFullError: `aside` is on another file system, which has no room.
    """
    for one in aside_of(aside, key):
        if one.path.samefile(path):
            return one.path
    name = path.stem + _ENDING
    slug = _UNFIT.sub("_", why.lower()).strip("_")[:40] or "damaged"
    folder = aside / cell_name(key) / f"{_now():{_TIME}}-{slug}-{uuid.uuid4().hex[:8]}"
    making = folder.with_name(f".{folder.name}{owner_mark()}tmp")
    _sweep_half_made(folder.parent)
    making.mkdir(parents=True)
    try:
        _second_name(path, making / name)
        _copy_proofs(path, making / name)
        _sync_tree(making)
        making.replace(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    return folder / name


def list_aside(aside: Path) -> list[AsideFile]:
    """Everything that is kept, by cell and time; names that are not ours are passed over."""
    return sorted(_entries(aside, "*"), key=lambda one: (one.key, one.kept_at, one.path))


def aside_of(aside: Path, key: TrajectoryKey) -> list[AsideFile]:
    """What is kept of one cell, oldest first."""
    found = _entries(aside, cell_name(key))
    return sorted(found, key=lambda one: (one.kept_at, one.path))


def sweep_aside(
    aside: Path,
    data_dir: Path,
    *,
    older_than: datetime,
    has_copy: Callable[[str], bool] = lambda digest: False,
) -> list[AsideFile]:
    """Remove what was kept long enough and is needed no more; and what killed processes left.

    A file stays while its cell's present file does not verify (level `light`); and, however old,
    while it is sound itself and no other whole copy of its version is known: it may be another
    cell's only one that lay in the wrong place. Sound are bytes that any manifest here names, its
    own or a cell's; each file that may go, and each that is to stand for it, is read as a whole.

    Args:
        aside: the folder of all that is kept.
        data_dir: the platform's data directory, with the cells' present files.
        older_than: what was put aside later stays.
        has_copy: whether a store has a version, by its BLAKE3.

    Returns:
        What was removed.
    """
    removed: list[AsideFile] = []
    for one in list_aside(aside):
        present = data_dir / one.key.trajectory_path
        if one.kept_at >= older_than or not _is_sound(present):
            continue
        if _is_last(one, data_dir, has_copy):
            continue
        shutil.rmtree(one.path.parent)
        removed.append(one)
    for folder in aside.glob("*"):
        _sweep_half_made(folder)
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    return removed


def _entries(aside: Path, cell: str) -> Iterator[AsideFile]:
    """What is kept of the cells whose folder has a name."""
    for path in aside.glob(f"{cell}/*/*{_ENDING}"):
        found = _NAME.fullmatch(path.parent.name)
        model, plus, benchmark = path.parent.parent.name.partition("+")
        if found is None or not plus:
            continue
        try:
            key = TrajectoryKey.from_dimensions(model, benchmark)
            size_bytes = path.stat().st_size
        except (QuarryError, OSError):
            continue
        kept_at = datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC)
        yield AsideFile(path, key, kept_at, found["why"], size_bytes, version_of(path))


def version_of(path: Path) -> str | None:
    """BLAKE3 of the version that the manifest beside a file names; none without a whole one."""
    try:
        return read_manifest(manifest_path(path)).blake3 or None
    except QuarryError:
        return None


def _is_sound(path: Path) -> bool:
    """Whether a file is what the manifest beside it says, as far as 4 KiB tell."""
    light = check_light(path)
    return light.manifest is not None and not light.findings


def _is_last(one: AsideFile, data_dir: Path, has_copy: Callable[[str], bool]) -> bool:
    """Whether a file is sound, and no other whole copy of its version is known."""
    try:
        digest = file_digest(one.path)
    except OSError:  # bad sectors
        return False
    places = list((data_dir / "trajectories").glob(f"*/*/{PUBLISHED}{MANIFEST_SUFFIX}"))
    files = [place.with_name(place.name.removesuffix(MANIFEST_SUFFIX)) for place in places]
    named = [file for file in files if version_of(file) == digest]
    if (digest != one.blake3 and not named) or has_copy(digest):
        return False
    return not any(_has_digest(file, digest) for file in named)


def _has_digest(file: Path, digest: str) -> bool:
    """Whether a file has certain bytes, every one of them."""
    try:
        return file_digest(file) == digest
    except OSError:
        return False


def _second_name(path: Path, other: Path) -> None:
    """Link a file, or copy it where it can't be linked."""
    try:
        other.hardlink_to(path)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        require_space(other, path.stat().st_size)
        with full_disk_named(other):
            shutil.copyfile(path, other)


def _copy_proofs(path: Path, other: Path) -> None:
    """Copy manifest and tables of a file for its second name; a damaged manifest as it is."""
    try:
        write_manifest(manifest_path(other), read_manifest(manifest_path(path)).named(other.name))
    except FileMissingError:
        pass
    except IntegrityError:
        shutil.copyfile(manifest_path(path), manifest_path(other))
    for table in path.parent.glob(f"{path.name}{TABLE_SUFFIX}-*.npz"):
        rest = table.name.removeprefix(path.name)
        shutil.copyfile(table, other.with_name(other.name + rest))


def _sweep_half_made(folder: Path) -> None:
    """Remove what dead processes were putting aside; the files have their first names still."""
    for path in folder.glob(".*.tmp"):
        if is_abandoned(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    """Make a folder and what is in it durable."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def _now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
