"""`B2Store`: a Backblaze B2 bucket as an object store.

Its parts: `b2_account` (key and session), `b2_http` and `b2_retry` (requests, errors, patience),
`b2_listing`, `b2_upload`, `b2_reading`. Nothing that loads definitions imports any of them.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from b2sdk._internal import exception as b2

from quarry.storage import b2_listing
from quarry.storage.b2_account import B2Account
from quarry.storage.b2_lock import object_lock
from quarry.storage.b2_reading import fetch, windows
from quarry.storage.b2_retry import is_absent, patiently
from quarry.storage.b2_upload import B2Upload
from quarry.storage.download import absent, proven_file
from quarry.storage.limits import CancelFlag, Limits, Progress
from quarry.storage.names import (
    require_digest,
    require_metadata,
    require_name,
    require_prefix,
    require_range,
)
from quarry.storage.object_store import (
    ANY,
    Condition,
    ObjectInfo,
    UnfinishedUpload,
    require_condition,
)
from quarry.storage.source import PublishedSource

PART_BYTES = 16 << 20
WINDOW_BYTES = 8 << 20
N_CONNECTIONS = 4
DEFAULT_DEADLINE_S = 300.0
SLOWEST_BYTES_PER_S = 500_000


class B2Store:
    """A bucket as an `ObjectStore`.

    Calls without a deadline end after five minutes; transfers have the time that the file takes at
    0.5 MB/s on top. Listings count the time that their reader takes.

    Args:
        account: key and bucket.
        lock_dir: folder of the locks that keep two uploads of one object apart on this machine.
        part_bytes: size of the parts of large files; one more than connections are in memory.
        window_bytes: size of the ranges of a download, as many in memory.
        n_connections: how many requests a transfer makes at a time.
    """

    def __init__(
        self,
        account: B2Account,
        lock_dir: Path,
        *,
        part_bytes: int = PART_BYTES,
        window_bytes: int = WINDOW_BYTES,
        n_connections: int = N_CONNECTIONS,
    ) -> None:
        self._account = account
        self._lock_dir = lock_dir
        self._part_bytes = part_bytes
        self._window_bytes = window_bytes
        self._n_connections = n_connections

    def __str__(self) -> str:
        """The bucket as a URL."""
        return f"b2://{self._account.bucket}"

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
        """See `ObjectStore.put`; the condition is decided under a lock of this machine only."""
        require_name(name)
        require_digest(blake3)
        given = require_metadata(metadata)
        size_bytes = PublishedSource(source, blake3).size_bytes
        within_s = _transfer_s(size_bytes) if deadline_s is None else deadline_s
        limits = Limits("An upload", f"{self}/{name}", within_s, cancel)
        with object_lock(self._lock_dir, f"{self}/{name}", limits):
            session, bucket_id = self._account.connect(limits)
            before = b2_listing.current(session, bucket_id, name, limits)
            if before is not None and before.blake3 == blake3 and not again:
                return before
            require_condition(condition, before, name, str(self))
            upload = B2Upload(
                session=session,
                bucket_id=bucket_id,
                name=name,
                digest=blake3,
                sha1=sha1,
                metadata=given,
                replaces=before,
                part_bytes=max(self._part_bytes, self._account.smallest_part_bytes()),
                n_connections=self._n_connections,
                limits=limits,
                progress=progress,
            )
            return upload.run(source)

    def head(
        self, name: str, version: str | None = None, *, deadline_s: float | None = None
    ) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        limits = self._limits("Asking for an object", require_name(name), deadline_s)
        return self._head(name, version, limits)

    def _head(self, name: str, version: str | None, limits: Limits) -> ObjectInfo | None:
        """`head`, within a caller's limits."""
        session, bucket_id = self._account.connect(limits)
        if version is None:
            return b2_listing.current(session, bucket_id, name, limits)
        entry = _or_none(lambda: session.get_file_info_by_id(version), limits)
        if entry is None or entry["fileName"] != name or entry["action"] != "upload":
            return None
        return b2_listing.as_info(entry)

    def read_range(
        self,
        name: str,
        offset: int,
        size: int,
        version: str | None = None,
        *,
        deadline_s: float | None = None,
    ) -> bytes:
        """See `ObjectStore.read_range`; one request."""
        require_range(offset, size)
        limits = self._limits("Reading an object", require_name(name), deadline_s)
        session, _ = self._account.connect(limits)
        if version is None:
            url = partial(session.get_download_url_by_name, self._account.bucket, name)
        else:
            url = partial(session.get_download_url_by_id, version)
        data = fetch(session, url, name, offset, memoryview(bytearray(max(1, size))), limits)
        if data is None:
            raise absent(str(self), name, version)
        return bytes(data[:size])

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
        require_name(name)
        require_digest(blake3)
        where = f"{self}/{name}"
        within_s = DEFAULT_DEADLINE_S if deadline_s is None else deadline_s
        limits = Limits("A download", where, within_s, cancel)
        info = self._head(name, version, limits)
        if info is None:
            raise absent(str(self), name, version)
        if deadline_s is None:
            limits = Limits("A download", where, _transfer_s(info.size_bytes), cancel)
        session, _ = self._account.connect(limits)
        with (
            proven_file(target, info, blake3, str(self), limits, progress) as taken,
            closing(
                windows(session, info, self._window_bytes, self._n_connections, limits)
            ) as pieces,
        ):
            for piece in pieces:
                if piece is None:
                    raise absent(str(self), name, info.version)
                taken.add(piece)
        return info

    def objects(self, prefix: str = "", *, deadline_s: float | None = None) -> Iterator[ObjectInfo]:
        """See `ObjectStore.objects`."""
        limits = self._limits("Listing objects", require_prefix(prefix), deadline_s)
        session, bucket_id = self._account.connect(limits)
        return b2_listing.objects(session, bucket_id, prefix, limits)

    def versions(self, name: str, *, deadline_s: float | None = None) -> list[ObjectInfo]:
        """See `ObjectStore.versions`; hide markers are none."""
        limits = self._limits("Listing versions", require_name(name), deadline_s)
        session, bucket_id = self._account.connect(limits)
        entries = b2_listing.versions(session, bucket_id, name, limits)
        return [b2_listing.as_info(entry) for entry in entries if entry["action"] == "upload"]

    def delete(self, name: str, version: str, *, deadline_s: float | None = None) -> bool:
        """See `ObjectStore.delete`."""
        limits = self._limits("Deleting a version", require_name(name), deadline_s)
        if self._head(name, version, limits) is None:
            return False
        session, _ = self._account.connect(limits)
        return _or_none(lambda: session.delete_file_version(version, name), limits) is not None

    def unfinished(
        self, prefix: str = "", *, deadline_s: float | None = None
    ) -> Iterator[UnfinishedUpload]:
        """See `ObjectStore.unfinished`."""
        limits = self._limits("Listing unfinished uploads", require_prefix(prefix), deadline_s)
        session, bucket_id = self._account.connect(limits)
        return (upload for upload, _ in b2_listing.unfinished(session, bucket_id, prefix, limits))

    def sweep_unfinished(
        self, older_than: datetime, prefix: str = "", *, deadline_s: float | None = None
    ) -> list[UnfinishedUpload]:
        """See `ObjectStore.sweep_unfinished`; who runs an upload is not known, only its age."""
        limits = self._limits("Sweeping unfinished uploads", require_prefix(prefix), deadline_s)
        session, bucket_id = self._account.connect(limits)
        found = [upload for upload, _ in b2_listing.unfinished(session, bucket_id, prefix, limits)]
        old = [upload for upload in found if upload.started_at < older_than]
        return [
            upload
            for upload in old
            if _or_none(partial(session.cancel_large_file, upload.upload), limits) is not None
        ]

    def _limits(self, what: str, name: str, deadline_s: float | None) -> Limits:
        """The limits of a call that moves little."""
        within_s = DEFAULT_DEADLINE_S if deadline_s is None else deadline_s
        return Limits(what, f"{self}/{name}", within_s)


def _transfer_s(size_bytes: int) -> float:
    """Patience for a file whose caller names no deadline."""
    return DEFAULT_DEADLINE_S + size_bytes / SLOWEST_BYTES_PER_S


def _or_none(call: Callable[[], Any], limits: Limits) -> dict[str, Any] | None:
    """The service's answer; none if what was asked for does not exist."""
    try:
        return patiently(call, limits, absent_raises=True)
    except b2.B2Error as error:
        if is_absent(error):
            return None
        raise
