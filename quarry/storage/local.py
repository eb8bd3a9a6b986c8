"""`LocalStore`: an object store that is a directory, such as a second disk or a mounted share.

Layout and sidecars are in `local_layout`. It keeps the same promises as a remote store, so that
the demo and the tests have a real second copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quarry.errors import IntegrityError
from quarry.storage.download import absent, cut_off, proven_file
from quarry.storage.limits import CancelFlag, Limits, Progress
from quarry.storage.local_layout import (
    SIDECAR,
    TEMPORARY,
    make_folder,
    new_version,
    object_folder,
    object_folders,
    read_sidecar,
    version_ids,
    write_sidecar,
)
from quarry.storage.names import require_digest, require_metadata, require_range
from quarry.storage.object_store import (
    ANY,
    Condition,
    ObjectInfo,
    UnfinishedUpload,
    require_condition,
)
from quarry.storage.source import PublishedSource
from quarry.trajectory.folder_lock import locked
from quarry.trajectory.space import full_disk_named, require_space
from quarry.trajectory.staging import is_abandoned, owner_mark

_PIECE_BYTES = 4 << 20


class LocalStore:
    """A directory as an `ObjectStore`.

    Args:
        root: the directory; made when the first object comes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        """The directory."""
        return str(self.root)

    def put(
        self,
        source: Path,
        name: str,
        *,
        blake3: str,
        sha1: str | None = None,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = ANY,
        again: bool = False,
        deadline_s: float | None = None,
        progress: Progress | None = None,
        cancel: CancelFlag | None = None,
    ) -> ObjectInfo:
        """See `ObjectStore.put`; the condition is decided under the object's lock."""
        folder = object_folder(self.root, name)
        limits = Limits("An upload", f"{self}/{name}", deadline_s, cancel)
        limits.check()
        info = ObjectInfo(
            name, "", 0, require_digest(blake3), sha1, require_metadata(metadata), datetime.now(UTC)
        )
        current = self._listed(name, folder)
        if current is not None and current.blake3 == blake3 and not again:
            return current
        require_condition(condition, current, name, str(self))
        read = PublishedSource(source, blake3, sha1)
        with full_disk_named(folder):
            make_folder(folder)
        require_space(folder / "data", read.size_bytes)
        temporary = folder / f".data{owner_mark()}{TEMPORARY}"
        try:
            with full_disk_named(temporary):
                _copy(read, temporary, limits, progress)
                info = replace(info, size_bytes=read.size_bytes)
                return self._place(temporary, folder, info, condition, again)
        finally:
            temporary.unlink(missing_ok=True)

    def _place(
        self, temporary: Path, folder: Path, info: ObjectInfo, condition: Condition, again: bool
    ) -> ObjectInfo:
        """Make a proven and synced copy a version, unless another process was first."""
        with locked(folder) as directory:
            current = self._listed(info.name, folder)
            if current is not None and current.blake3 == info.blake3 and not again:
                return current
            require_condition(condition, current, info.name, str(self))
            made = replace(info, version=new_version(folder))
            temporary.replace(folder / made.version)
            write_sidecar(folder, made)
            os.fsync(directory)
        return made

    def _current(self, folder: Path) -> ObjectInfo | None:
        """The newest version.

        Raises:
            IntegrityError: what is known of it is damaged.
        """
        for version in version_ids(folder):
            if (info := read_sidecar(folder, version)) is not None:
                return info
        return None

    def _listed(self, name: str, folder: Path) -> ObjectInfo | None:
        """The newest version; where what is known of it is damaged, one that nothing is known of.

        One damaged sidecar must not hide all other objects, nor keep the next version out.
        """
        try:
            return self._current(folder)
        except IntegrityError:
            return _unknown(name, folder, version_ids(folder)[0])

    def head(
        self, name: str, version: str | None = None, *, deadline_s: float | None = None
    ) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        folder = object_folder(self.root, name)
        if version is None:
            return self._current(folder)
        return read_sidecar(folder, version) if version in version_ids(folder) else None

    def read_range(
        self,
        name: str,
        offset: int,
        size: int,
        version: str | None = None,
        *,
        deadline_s: float | None = None,
    ) -> bytes:
        """See `ObjectStore.read_range`."""
        require_range(offset, size)
        info, path = self._stored(name, version)
        size = max(0, min(size, info.size_bytes - offset))
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
        except FileNotFoundError:
            raise absent(str(self), name, info.version) from None
        if len(data) != size:
            raise cut_off(f"{self}/{name}, version {info.version}", offset + size)
        return data

    def _stored(self, name: str, version: str | None) -> tuple[ObjectInfo, Path]:
        """A version and the file with its data.

        Raises:
            FileMissingError: there is no such version.
        """
        info = self.head(name, version)
        if info is None:
            raise absent(str(self), name, version)
        return info, object_folder(self.root, name) / info.version

    def download(
        self,
        name: str,
        target: Path,
        *,
        blake3: str,
        version: str | None = None,
        deadline_s: float | None = None,
        progress: Progress | None = None,
        cancel: CancelFlag | None = None,
    ) -> ObjectInfo:
        """See `ObjectStore.download`."""
        limits = Limits("A download", f"{self}/{name}", deadline_s, cancel)
        info, path = self._stored(name, version)
        if not path.exists():
            raise absent(str(self), name, info.version)
        with (
            proven_file(target, info, require_digest(blake3), str(self), limits, progress) as taken,
            path.open("rb", buffering=0) as file,
        ):
            while piece := file.read(_PIECE_BYTES):
                limits.check()
                taken.add(piece)
        return info

    def objects(self, prefix: str = "", *, deadline_s: float | None = None) -> Iterator[ObjectInfo]:
        """See `ObjectStore.objects`."""
        for name, folder in object_folders(self.root, prefix):
            if (info := self._listed(name, folder)) is not None:
                yield info

    def versions(self, name: str, *, deadline_s: float | None = None) -> list[ObjectInfo]:
        """See `ObjectStore.versions`."""
        folder = object_folder(self.root, name)
        found: list[ObjectInfo] = []
        for version in version_ids(folder):
            try:
                info = read_sidecar(folder, version)
            except IntegrityError:
                info = _unknown(name, folder, version)
            found += [info] if info is not None else []
        return found

    def delete(self, name: str, version: str, *, deadline_s: float | None = None) -> bool:
        """See `ObjectStore.delete`; the sidecar goes first, so that no half version is left."""
        folder = object_folder(self.root, name)
        if version not in version_ids(folder):
            return False
        with locked(folder) as directory:
            (folder / f"{version}{SIDECAR}").unlink(missing_ok=True)
            os.fsync(directory)
            (folder / version).unlink(missing_ok=True)
        return True

    def unfinished(
        self, prefix: str = "", *, deadline_s: float | None = None
    ) -> Iterator[UnfinishedUpload]:
        """See `ObjectStore.unfinished`; leftovers of deletions are among them."""
        for name, folder in object_folders(self.root, prefix):
            finished = {*version_ids(folder)}
            for path in sorted(folder.iterdir()):
                if path.name.removesuffix(SIDECAR) in finished:
                    continue
                try:
                    started_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                except FileNotFoundError:
                    continue
                yield UnfinishedUpload(name, path.name, started_at)

    def sweep_unfinished(
        self, older_than: datetime, prefix: str = "", *, deadline_s: float | None = None
    ) -> list[UnfinishedUpload]:
        """See `ObjectStore.sweep_unfinished`; what a living process of this machine owns stays."""
        swept: list[UnfinishedUpload] = []
        for upload in self.unfinished(prefix):
            folder = object_folder(self.root, upload.name)
            is_running = upload.upload.endswith(TEMPORARY) and not is_abandoned(upload.upload)
            if upload.started_at >= older_than or is_running:
                continue
            with locked(folder):
                if upload.upload not in version_ids(folder):
                    (folder / upload.upload).unlink(missing_ok=True)
                    swept.append(upload)
        return swept


def _unknown(name: str, folder: Path, version: str) -> ObjectInfo:
    """A version of which nothing can be believed."""
    data = folder / version
    size_bytes = data.stat().st_size if data.exists() else 0
    return ObjectInfo(name, version, size_bytes, None, None, {}, datetime.fromtimestamp(0, UTC))


def _copy(read: PublishedSource, target: Path, limits: Limits, progress: Progress | None) -> None:
    """Copy a file into the store, proven and synced."""
    n_bytes = 0
    with target.open("xb") as file:
        for piece in read.pieces(_PIECE_BYTES):
            limits.check()
            file.write(piece)
            n_bytes += len(piece)
            if progress is not None:
                progress(n_bytes, read.size_bytes)
        file.flush()
        os.fsync(file.fileno())
