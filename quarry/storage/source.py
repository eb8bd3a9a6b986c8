"""`PublishedSource`: the file of an upload, proven while it is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import cycle
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
        self._rooms: list[memoryview] = []

    @property
    def size_bytes(self) -> int:
        """Size when the upload began."""
        return self._before.st_size

    def pieces(self, piece_bytes: int, n_held: int = 1) -> Iterator[memoryview]:
        """The file in order, in pieces of one size but for the last one.

        Memory that was touched before is much faster than fresh memory, so pieces share some.

        Args:
            piece_bytes: size of a piece.
            n_held: how many pieces keep their bytes; the one after them overwrites the first.

        Raises:
            IntegrityError: after the last piece, if these were not the right bytes.
        """
        digest, sha1, n_bytes = blake3(), hashlib.sha1(usedforsecurity=False), 0
        buffers = self._buffers(piece_bytes, n_held)
        with self.path.open("rb", buffering=0) as file:
            while piece := _read(file.fileno(), n_bytes, next(buffers)):
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

    def sha1s(self, piece_bytes: int) -> tuple[str, list[str]]:
        """SHA-1 of the file and of each piece, by a read of its own, which proves BLAKE3 as well.

        The three digests are made at the same time; two pieces are in memory.

        Raises:
            IntegrityError: these are not the right bytes.
        """
        digest, sha1, n_bytes = blake3(), hashlib.sha1(usedforsecurity=False), 0
        pieces: list[Future[str]] = []
        buffers = self._buffers(piece_bytes, n_held=2)
        with self.path.open("rb", buffering=0) as file, ThreadPoolExecutor(2) as pool:
            updated = pool.submit(sha1.update, b"")
            while piece := _read(file.fileno(), n_bytes, next(buffers)):
                wait([updated])
                wait(pieces[-1:])
                updated = pool.submit(sha1.update, piece)
                pieces.append(pool.submit(sha1_of, piece))
                digest.update(piece)
                n_bytes += len(piece)
        self._prove(n_bytes, digest.hexdigest(), sha1.hexdigest())
        return sha1.hexdigest(), [piece.result() for piece in pieces]

    def require_unchanged(self, n_bytes: int) -> None:
        """Compare the file's identity, size and time of change with those at the start.

        Args:
            n_bytes: how many bytes were read.

        Raises:
            IntegrityError: it is not the same any more.
        """
        now = self._stat()
        if n_bytes != self.size_bytes or _identity(now) != _identity(self._before):
            told = f"{n_bytes:,} bytes read, {now.st_size:,} bytes and another time of change now"
            raise self.changed(told)

    def changed(self, got: str) -> IntegrityError:
        """The error for a file that did not stay as it was.

        Args:
            got: what was noticed.
        """
        return self._wrong(
            "changed_during_upload",
            "The file changed while it was being uploaded",
            f"{self.size_bytes:,} bytes, unchanged",
            got,
        )

    def _buffers(self, piece_bytes: int, n_held: int) -> Iterator[memoryview]:
        """Room for pieces, again and again, in later reads too; no more than the file needs."""
        one_bytes = max(1, min(piece_bytes, self.size_bytes))
        n_rooms = max(1, min(n_held, -(-self.size_bytes // one_bytes)))
        rooms = [room for room in self._rooms if len(room) == one_bytes][:n_rooms]
        rooms += [memoryview(bytearray(one_bytes)) for _ in range(n_rooms - len(rooms))]
        self._rooms = rooms
        return cycle(rooms)

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


def sha1_of(data: bytes | memoryview) -> str:
    """SHA-1, which the service compares; the proof is BLAKE3."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _read(descriptor: int, offset: int, buffer: memoryview) -> memoryview:
    """A piece of a file: short only at its end."""
    n_bytes = 0
    while n_bytes < len(buffer):
        count = os.preadv(descriptor, [buffer[n_bytes:]], offset + n_bytes)
        if not count:
            break
        n_bytes += count
    return buffer[:n_bytes]


def _identity(stat: os.stat_result) -> tuple[int, int, int, int]:
    """What changes when a file is written to or replaced."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
