"""Brings published trajectory files to an object store, and serves them as good copies to `repair`.

A file, its table of digests and its manifest are three objects, stored in this order: a manifest
there means that the other two are. When a file is mirrored, and what becomes of a damaged one, is
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.storage.limits import CancelFlag, Limits, Progress
from quarry.storage.object_store import ObjectInfo, ObjectStore
from quarry.storage.outgoing import Outgoing, manifest_name, outgoing, table_name
from quarry.storage.remote_proof import left_s
from quarry.trajectory.digest_table import proven_table_bytes
from quarry.trajectory.manifest import Manifest, manifest_path, parse_manifest, read_manifest
from quarry.trajectory.verification import verify


@dataclass(frozen=True)
class Mirrored:
    """A file in a store.

    Args:
        name: of the object that holds the file's bytes.
        version: the store's id of these bytes.
        manifest: what they are.
    """

    name: str
    version: str
    manifest: Manifest


@dataclass(frozen=True)
class Sent:
    """One object after it was stored.

    Args:
        info: the version that has the bytes.
        bytes_sent: what was stored anew, parts of an interrupted upload included; 0 if the store
            had it.
    """

    info: ObjectInfo
    bytes_sent: int


def mirror(
    file: Path,
    name: str,
    store: ObjectStore,
    *,
    again: bool = False,
    deadline_s: float | None = None,
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> Mirrored:
    """Store a published file; what the store has already is not sent again.

    Args:
        file: the file, with manifest and table beside it.
        name: the object's name, such as `trajectories/0shot/demo_base/gsm8k_trajectories.h5`.
        store: where to.
        again: store new versions even where the current ones claim the same digests, because
            their bytes proved to be wrong.
        deadline_s: most seconds for the three objects together.
        progress: called with bytes done and in all, for the file itself.
        cancel: stops when it is set.

    Raises:
        FileMissingError: there is no manifest.
        IntegrityError: there is no file, it is not what its manifest says, or it changed while it
            was read.
        StorageError: it could not be done; running it again goes on.
    """
    manifest = read_manifest(manifest_path(file))
    objects = outgoing(file, name)
    verify(file, level="light").raise_if_broken()
    limits = Limits("Mirroring a file", f"{store}/{name}", deadline_s, cancel)
    names = [one.name for one in objects] if again else []
    first, *_ = send(objects, store, limits, again=names, progress=progress, cancel=cancel)
    return Mirrored(name, first.info.version, manifest)


def send(
    objects: Collection[Outgoing],
    store: ObjectStore,
    limits: Limits,
    *,
    again: Collection[str] = (),
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> list[Sent]:
    """Store the objects of one file, one after the other.

    Args:
        objects: the file first, its manifest last.
        store: where to.
        limits: of all of them together.
        again: names of which a new version is stored in any case.
        progress: called with bytes done and in all, for the first object.
        cancel: stops when it is set.

    Raises:
        FileMissingError, IntegrityError, StorageError: see `ObjectStore.put`.
    """
    sent: list[Sent] = []
    for one in objects:
        count = _Count(progress if not sent else None)
        info = store.put(
            one.path,
            one.name,
            blake3=one.blake3,
            again=one.name in again,
            deadline_s=left_s(limits),
            progress=count,
            cancel=cancel,
        )
        sent.append(Sent(info, count.done_bytes))
    return sent


class _Count:
    """A progress that remembers how far it came and tells another one."""

    def __init__(self, progress: Progress | None) -> None:
        self.done_bytes = 0
        self._progress = progress

    def __call__(self, done_bytes: int, size_bytes: int) -> None:
        """So many bytes are done."""
        self.done_bytes = done_bytes
        if self._progress is not None:
            self._progress(done_bytes, size_bytes)


def beside(name: str, path: Path) -> str:
    """The name of an object that lies beside another one, with a file's own last part."""
    return "/".join([*name.split("/")[:-1], path.name])


class RemoteCopy:
    """A mirrored file as a good copy: ranges, never the whole file, are asked for.

    Args:
        store: the store.
        name: the object's name.
        manifest_version: the version of its manifest; by default the current one.
        deadline_s: most seconds of each request.
    """

    def __init__(
        self,
        store: ObjectStore,
        name: str,
        *,
        manifest_version: str | None = None,
        deadline_s: float | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._manifest_version = manifest_version
        self._deadline_s = deadline_s
        self._version: str | None = None

    def __str__(self) -> str:
        """Store and name."""
        older = f", an older version ({self._manifest_version})" if self._manifest_version else ""
        return f"{self._store}/{self._name}{older}"

    def manifest(self) -> Manifest:
        """The manifest in the store; pins the version of the file that it describes.

        Raises:
            FileMissingError: there is none, or not the bytes that it describes.
            IntegrityError: it is damaged.
        """
        name = manifest_name(self._name)
        data = self._whole(name, self._manifest_version)
        manifest = parse_manifest(data, f"{self._store}/{name}")
        self._version = self._version_of(manifest).version
        return manifest

    def table(self, digest: str) -> bytes:
        """The table of digests in the store.

        Raises:
            FileMissingError: there is none.
            IntegrityError: it is damaged.
        """
        name = table_name(self._name, digest)
        return proven_table_bytes(self._whole(name), digest, f"{self._store}/{name}")

    def read_range(self, offset: int, size: int) -> bytes:
        """Bytes of the file; none where the store does not have it."""
        try:
            return self._store.read_range(
                self._name, offset, size, self._version, deadline_s=self._deadline_s
            )
        except FileMissingError:
            return b""

    def _whole(self, name: str, version: str | None = None) -> bytes:
        """All bytes of a small object, by default of its current version."""
        info = self._store.head(name, version, deadline_s=self._deadline_s)
        if info is None and version is None:  # hidden by a person or a lifecycle rule
            versions = self._store.versions(name, deadline_s=self._deadline_s)
            info = versions[0] if versions else None
        if info is None:
            raise FileMissingError(
                "An object is missing",
                where=f"{self._store}/{name}",
                expected="an object beside each mirrored file",
                got="none",
                fix="mirror the file again",
            )
        return self._store.read_range(
            name, 0, info.size_bytes, info.version, deadline_s=self._deadline_s
        )

    def _version_of(self, manifest: Manifest) -> ObjectInfo:
        """The newest version of the file that has the manifest's digest."""
        for info in self._store.versions(self._name, deadline_s=self._deadline_s):
            if info.blake3 == manifest.blake3:
                return info
        found = Finding(
            check="remote_copy_matches",
            kind="remote_differs",
            what="No version in the store is the file that the manifest there describes",
            where=str(self),
            expected=f"blake3 {manifest.blake3}",
            got="other versions, or none",
            cure="mirror the file again",
        )
        raise IntegrityError("A mirrored file is missing", where=str(self), findings=[found])


def older_copies(
    store: ObjectStore, name: str, *, most: int = 5, deadline_s: float | None = None
) -> list[RemoteCopy]:
    """Versions of a mirrored file that newer ones took the place of, newest first.

    The file that took a good one's place may have been the wrong one.

    Args:
        store: the store.
        name: the object's name.
        most: at most so many.
        deadline_s: most seconds of each request.

    Raises:
        StorageError: the store can't be asked.
    """
    versions = store.versions(manifest_name(name), deadline_s=deadline_s)
    return [
        RemoteCopy(store, name, manifest_version=info.version, deadline_s=deadline_s)
        for info in versions[1 : most + 1]
    ]
