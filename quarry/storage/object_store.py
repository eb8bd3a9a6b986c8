"""`ObjectStore`: what every store for published files promises, and the values it speaks in.

Objects are immutable and have versions. Integrity is ours: BLAKE3 goes in with the bytes, lies in
the object's metadata and is compared here, whatever the service promises. `tests/storage` holds
the contract as tests; an implementation inherits them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from quarry.errors import StorageConflictError
from quarry.storage.limits import CancelFlag, Progress


@dataclass(frozen=True)
class ObjectInfo:
    """One version of one object.

    Args:
        name: its name.
        version: the store's id of this version; never used twice.
        size_bytes: its size.
        blake3: digest of its bytes as its uploader proved it; none if another program put it.
        sha1: digest of its bytes, where one is known.
        metadata: the uploader's own entries.
        uploaded_at: when its upload began or ended, in UTC.
    """

    name: str
    version: str
    size_bytes: int
    blake3: str | None
    sha1: str | None
    metadata: Mapping[str, str] = field(hash=False)
    uploaded_at: datetime


@dataclass(frozen=True)
class UnfinishedUpload:
    """What an interrupted upload left: it costs space and is no object.

    Args:
        name: of the object it was to be.
        upload: the store's id of the upload.
        started_at: in UTC.
    """

    name: str
    upload: str
    started_at: datetime


ANY: Final = "any"
"""The condition that always holds."""

ABSENT: Final = "absent"
"""The condition that no version exists."""


@dataclass(frozen=True)
class IsVersion:
    """The condition that one certain version is the current one."""

    version: str


Condition = Literal["any", "absent"] | IsVersion


class ObjectStore(Protocol):
    """A place for published files.

    Every call ends within its `deadline_s`, all retries included. Errors that won't go away end it
    at once and show the first cause. `str(store)` names the store in messages.
    """

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
        """Store a published file; what is there already is not sent again.

        Args:
            source: the file; read once or twice, and proven while it is read.
            name: the object's name.
            blake3: digest of its bytes, from its manifest.
            sha1: digest of its bytes, where the caller knows it; saves a read in some stores.
            metadata: small entries to lie with it; equal metadata helps resuming.
            condition: what must be true of the current version, unless that has the digest already.
                Decided by the store where it can; two machines may race in a store that can't.
            again: store a new version even where the current one claims the same digest, because
                its bytes proved to be wrong.
            deadline_s: most seconds, with all retries.
            progress: called with bytes done and in all.
            cancel: stops the upload when it is set.

        Returns:
            The version that has these bytes: a new one, or the current one.

        Raises:
            FileMissingError: there is no such file.
            IntegrityError: the file is not what the digest says, or changed while it was read;
                there is no new version.
            StorageConflictError: the condition does not hold.
            StorageDeadlineError, StorageCancelledError, StorageError: it could not be done.
        """
        ...

    def head(
        self, name: str, version: str | None = None, *, deadline_s: float | None = None
    ) -> ObjectInfo | None:
        """A version, by default the current one; none if it does not exist."""
        ...

    def read_range(
        self,
        name: str,
        offset: int,
        size: int,
        version: str | None = None,
        *,
        deadline_s: float | None = None,
    ) -> bytes:
        """Some bytes of an object, unproven; fewer only where it ends.

        Raises:
            FileMissingError: there is no such object.
            StorageError: it could not be done.
        """
        ...

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
        """Bring an object to a file that has its name only once it is proven and durable.

        Args:
            name: the object's name.
            target: the file; an older one is replaced at once, its folder is made.
            blake3: digest that its bytes must have.
            version: which one; by default the current one.
            deadline_s: most seconds, with all retries.
            progress: called with bytes done and in all.
            cancel: stops the download when it is set.

        Returns:
            The version that was brought.

        Raises:
            FileMissingError: there is no such object.
            IntegrityError: its bytes are others; nothing was changed at the target.
            StorageFullError: there is no room.
            StorageDeadlineError, StorageCancelledError, StorageError: it could not be done.
        """
        ...

    def objects(self, prefix: str = "", *, deadline_s: float | None = None) -> Iterator[ObjectInfo]:
        """Current versions of all objects whose names begin with a prefix, by name."""
        ...

    def versions(self, name: str, *, deadline_s: float | None = None) -> list[ObjectInfo]:
        """All versions of an object, newest first."""
        ...

    def delete(self, name: str, version: str, *, deadline_s: float | None = None) -> bool:
        """Delete one version for good; whether it was there."""
        ...

    def unfinished(
        self, prefix: str = "", *, deadline_s: float | None = None
    ) -> Iterator[UnfinishedUpload]:
        """Uploads under a prefix that were begun and not finished, running ones included."""
        ...

    def sweep_unfinished(
        self, older_than: datetime, prefix: str = "", *, deadline_s: float | None = None
    ) -> list[UnfinishedUpload]:
        """Remove uploads begun before a time; returns what was removed."""
        ...


def require_condition(
    condition: Condition, current: ObjectInfo | None, name: str, store: str
) -> None:
    """Hold a condition against the current version.

    Raises:
        StorageConflictError: it does not hold.
    """
    if condition == ANY:
        return
    wanted = condition.version if isinstance(condition, IsVersion) else None
    got = None if current is None else current.version
    if wanted != got:
        raise StorageConflictError(
            "An object has another version than expected",
            where=f"{store}/{name}",
            expected="no version" if wanted is None else f"version {wanted}",
            got="no version" if got is None else f"version {got}",
            fix="look at the current version, then decide again",
        )
