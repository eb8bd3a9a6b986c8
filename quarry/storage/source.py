"""`PublishedSource`: the file of an upload, proven while it is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding

_CURE = "upload published files only; publish this one again, then upload it"


class PublishedSource:
    """A file that is read once, in pieces, and must not change meanwhile.

    Args:
        path: the file.
        digest: BLAKE3 that its bytes must have.
        sha1: SHA-1 that its bytes must have; none to compute none.

    Raises:
        FileMissingError: there is no such file.
    """

    def __init__(self, path: Path, digest: str, sha1: str | None = None) -> None:
        self.path = path
        self._digest = digest
        self._sha1 = sha1
        self._before = self._stat()

    @property
    def size_bytes(self) -> int:
        """Size when the upload began."""
        return self._before.st_size

    def pieces(self, piece_bytes: int) -> Iterator[bytes]:
        """The file in order, in pieces of one size but for the last one.

        Raises:
            IntegrityError: after the last piece, if these were not the right bytes.
        """
        digest, sha1, n_bytes = blake3(), hashlib.sha1(usedforsecurity=False), 0
        with self.path.open("rb", buffering=0) as file:
            while piece := _read(file.fileno(), n_bytes, piece_bytes):
                n_bytes += len(piece)
                digest.update(piece)
                if self._sha1 is not None:
                    sha1.update(piece)
                if n_bytes >= self.size_bytes:
                    self._prove(n_bytes, digest.hexdigest(), sha1.hexdigest())
                yield piece
        if not self.size_bytes:
            self._prove(n_bytes, digest.hexdigest(), sha1.hexdigest())
        self.require_unchanged(n_bytes)

    def sha1(self, piece_bytes: int) -> str:
        """SHA-1 of the file, by a read of its own, which proves BLAKE3 as well.

        Raises:
            IntegrityError: these are not the right bytes.
        """
        digest, sha1, n_bytes = blake3(), hashlib.sha1(usedforsecurity=False), 0
        with self.path.open("rb", buffering=0) as file:
            while piece := _read(file.fileno(), n_bytes, piece_bytes):
                digest.update(piece)
                sha1.update(piece)
                n_bytes += len(piece)
        self._prove(n_bytes, digest.hexdigest(), sha1.hexdigest())
        return sha1.hexdigest()

    def require_unchanged(self, n_bytes: int) -> None:
        """Compare the file's identity, size and time of change with those at the start.

        Args:
            n_bytes: how many bytes were read.

        Raises:
            IntegrityError: it is not the same any more.
        """
        now = self._stat()
        if n_bytes != self.size_bytes or _identity(now) != _identity(self._before):
            raise self._wrong(
                "changed_during_upload",
                "The file changed while it was being uploaded",
                f"{self.size_bytes:,} bytes, unchanged",
                f"{n_bytes:,} bytes read, {now.st_size:,} bytes and another time of change now",
            )

    def _prove(self, n_bytes: int, digest: str, sha1: str) -> None:
        """Compare with what the caller said, before the last piece leaves."""
        self.require_unchanged(n_bytes)
        if digest != self._digest:
            raise self._wrong("digest", "The file has other bytes", self._digest, digest)
        if self._sha1 is not None and sha1 != self._sha1:
            raise self._wrong("digest", "The file has other bytes", self._sha1, sha1)

    def _stat(self) -> os.stat_result:
        """The file's identity."""
        try:
            return self.path.stat()
        except FileNotFoundError as error:
            raise FileMissingError(
                "A file to be uploaded is missing",
                where=str(self.path),
                expected="a published file",
                got="no file",
                fix="publish it first",
            ) from error

    def _wrong(self, kind: str, what: str, expected: str, got: str) -> IntegrityError:
        """The error for a file that is not what it should be."""
        found = Finding(
            check="remote_copy_matches",
            kind=kind,
            what=what,
            where=str(self.path),
            expected=expected,
            got=got,
            cure=_CURE,
        )
        return IntegrityError("A file was not uploaded", where=str(self.path), findings=[found])


def _read(descriptor: int, offset: int, size: int) -> bytes:
    """A piece of a file: short only at its end."""
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(descriptor, size, offset)):
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _identity(stat: os.stat_result) -> tuple[int, int, int, int]:
    """What changes when a file is written to or replaced."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
