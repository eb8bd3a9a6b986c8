"""`GoodCopy`: where the bytes of a damaged file can be had again, one range at a time.

A copy is asked, never trusted: `repair` proves each byte before it writes it. Here are the contract
and the copy that is another file; the one in an object store lies with the store.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from quarry.trajectory.digest_table import read_table_bytes
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest


class GoodCopy(Protocol):
    """A copy of a published file, with its manifest and its table of digests.

    `str(copy)` names it in messages.
    """

    def manifest(self) -> Manifest:
        """The copy's manifest.

        Raises:
            FileMissingError: it has none.
            IntegrityError: it is damaged.
        """
        ...

    def table(self, digest: str) -> bytes:
        """The copy's table of digests.

        Args:
            digest: BLAKE3 of the table, as the manifest names it.

        Raises:
            FileMissingError: it has no such table.
            IntegrityError: it is damaged.
        """
        ...

    def read_range(self, offset: int, size: int) -> bytes:
        """Some of the copy's bytes; fewer where it ends.

        Args:
            offset: first byte.
            size: number of bytes.
        """
        ...


class LocalCopy:
    """A copy that is a file on this machine.

    Args:
        path: the file; manifest and table lie beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    def manifest(self) -> Manifest:
        """The manifest beside the file."""
        return read_manifest(manifest_path(self.path))

    def table(self, digest: str) -> bytes:
        """The table beside the file."""
        return read_table_bytes(self.path, digest)

    def read_range(self, offset: int, size: int) -> bytes:
        """Bytes of the file; none where it does not exist."""
        try:
            with self.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)
        except FileNotFoundError:
            return b""
