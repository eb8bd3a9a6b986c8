"""`B2Upload`: one file into a bucket, in one request or in parts that can be resumed.

The bytes are in memory when they are sent, and hashed there: what the service stores is what was
proven. A large file becomes visible with its last request, after all of it was proven.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from b2sdk._internal import exception as b2
from b2sdk.v3 import B2Session

from quarry.errors import IntegrityError, StorageError
from quarry.storage.b2_http import PartStream
from quarry.storage.b2_listing import BLAKE3_KEY, SHA1_KEY, as_info, current, parts, unfinished
from quarry.storage.b2_retry import is_wrong_in_transit, patiently
from quarry.storage.b2_workers import in_order
from quarry.storage.limits import Limits, Progress
from quarry.storage.object_store import ObjectInfo
from quarry.storage.source import PublishedSource, sha1_of

MAX_PARTS = 10_000
_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class B2Upload:
    """One upload.

    Args:
        session: an authorised one.
        bucket_id: where to.
        name: the object's name.
        digest: BLAKE3 of the file.
        sha1: SHA-1 of the file, where it is known.
        metadata: the caller's entries.
        replaces: the version that is current before.
        part_bytes: size of a part; a smaller file goes in one request.
        n_connections: how many parts are sent at a time.
        limits: the caller's.
        progress: called with bytes done and in all.
    """

    session: B2Session
    bucket_id: str
    name: str
    digest: str
    sha1: str | None
    metadata: dict[str, str]
    replaces: ObjectInfo | None
    part_bytes: int
    n_connections: int
    limits: Limits
    progress: Progress | None

    def run(self, source: Path) -> ObjectInfo:
        """Send a file; gives the new version.

        Raises:
            IntegrityError: the file is not what it should be, or the store says that it took
                something else.
            StorageError: it could not be done.
        """
        read = PublishedSource(source, self.digest, self.sha1)
        large = read.size_bytes > self.part_bytes
        stored = self._large(read) if large else self._small(read)
        return self._confirmed(stored, replace(stored, size_bytes=read.size_bytes))

    def _confirmed(self, stored: ObjectInfo, sent: ObjectInfo) -> ObjectInfo:
        """What the service says that it stored, if that is what was sent.

        Raises:
            StorageError: it is not.
        """
        sent = replace(sent, name=self.name, blake3=self.digest)
        if stored != sent:
            raise StorageError(
                "The store took something else than was sent",
                where=self.limits.where,
                expected=f"{sent.size_bytes:,} bytes, BLAKE3 {sent.blake3}, SHA-1 {sent.sha1}",
                got=f"{stored.size_bytes:,} bytes, BLAKE3 {stored.blake3}, SHA-1 {stored.sha1}",
                fix=f"upload the file once more with `again`, then delete {stored.version}",
            )
        return stored

    def _small(self, read: PublishedSource) -> ObjectInfo:
        """A file in one request."""
        data = b"".join(read.pieces(self.part_bytes))
        sha1 = sha1_of(data)
        info = {BLAKE3_KEY: self.digest, **self.metadata}

        def send() -> ObjectInfo:
            stream = PartStream(data, self.limits)
            return as_info(
                self.session.upload_file(
                    self.bucket_id, self.name, len(data), _CONTENT_TYPE, sha1, info, stream
                )
            )

        stored = patiently(send, self.limits, settled=self._stored)
        self._tell(len(data), len(data))
        return self._confirmed(stored, replace(stored, sha1=sha1))

    def _large(self, read: PublishedSource) -> ObjectInfo:
        """A file in parts; parts of an interrupted upload of the same file are kept."""
        part_bytes = max(self.part_bytes, -(-read.size_bytes // MAX_PARTS))
        sha1, known = (self.sha1, None) if self.sha1 else read.sha1s(part_bytes)
        info = {BLAKE3_KEY: self.digest, SHA1_KEY: sha1, **self.metadata}
        resumable = partial(self._resumable, info, read.size_bytes, part_bytes)
        upload, have = resumable()
        upload = upload or self._start(info, lambda: resumable()[0])
        sends = self._sends(upload, read, part_bytes, known, have)
        sha1s: list[str] = []
        try:
            with closing(in_order(sends, self.n_connections, self.limits)) as sent:
                for part_sha1 in sent:
                    sha1s.append(part_sha1)
                    self._tell(min(len(sha1s) * part_bytes, read.size_bytes), read.size_bytes)
        except IntegrityError:
            self._abandon(upload)
            raise
        self.session.account_info.clear_large_file_upload_urls(upload)
        return patiently(
            lambda: as_info(self.session.finish_large_file(upload, sha1s)),
            self.limits,
            settled=self._stored,
            stays=is_wrong_in_transit,
        )

    def _sends(
        self,
        upload: str,
        read: PublishedSource,
        part_bytes: int,
        known: list[str] | None,
        have: dict[int, tuple[int, str]],
    ) -> Iterator[Callable[[], str]]:
        """One call a part, each giving the part's SHA-1."""
        for number, data in enumerate(read.pieces(part_bytes, self.n_connections + 1), start=1):
            sha1 = known[number - 1] if known and number <= len(known) else None
            yield partial(self._send_part, upload, number, read, data, sha1, have.get(number))

    def _send_part(
        self,
        upload: str,
        number: int,
        read: PublishedSource,
        data: memoryview,
        known: str | None,
        have: tuple[int, str] | None,
    ) -> str:
        """Send a part, unless the service has it already."""
        sha1 = known or sha1_of(data)

        def send() -> None:
            stream = PartStream(data, self.limits)
            try:
                answer: dict[str, Any] = self.session.upload_part(
                    upload, number, len(data), sha1, stream
                )
            except b2.B2Error as error:
                if is_wrong_in_transit(error) and sha1_of(data) != sha1:
                    raise read.changed(f"other bytes in part {number:,} than before") from error
                raise
            if answer["contentSha1"] != sha1:
                raise b2.PartSha1Mismatch(upload)

        if have != (len(data), sha1):
            patiently(send, self.limits)
        return sha1

    def _resumable(
        self, info: dict[str, str], size_bytes: int, part_bytes: int
    ) -> tuple[str | None, dict[int, tuple[int, str]]]:
        """The unfinished upload of this very file with the most parts, and its parts."""
        n_parts = -(-size_bytes // part_bytes)
        best: tuple[str | None, dict[int, tuple[int, str]]] = (None, {})
        for found, entry in unfinished(self.session, self.bucket_id, self.name, self.limits):
            if found.name != self.name or entry["fileInfo"] != info:
                continue
            have = parts(self.session, found.upload, self.limits)
            fits = max(have, default=0) <= n_parts
            if fits and (best[0] is None or len(have) > len(best[1])):
                best = (found.upload, have)
        return best

    def _start(self, info: dict[str, str], begun: Callable[[], str | None]) -> str:
        """Begin a large file; gives its id, which is looked up if the answer was lost."""

        def start() -> str:
            answer: dict[str, Any] = self.session.start_large_file(
                self.bucket_id, self.name, _CONTENT_TYPE, info
            )
            return answer["fileId"]

        return patiently(start, self.limits, settled=begun)

    def _abandon(self, upload: str) -> None:
        """Forget the parts of a file that is not what it should be; the sweep would, too."""
        limits = Limits("Cancelling an upload", self.limits.where, deadline_s=10)
        with suppress(StorageError):
            patiently(lambda: self.session.cancel_large_file(upload), limits)

    def _stored(self) -> ObjectInfo | None:
        """The new version, if it is there although the answer was lost."""
        found = current(self.session, self.bucket_id, self.name, self.limits)
        before = None if self.replaces is None else self.replaces.version
        is_new = found is not None and found.version != before and found.blake3 == self.digest
        return found if is_new else None

    def _tell(self, done_bytes: int, size_bytes: int) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(done_bytes, size_bytes)
