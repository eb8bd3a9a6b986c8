"""`DigestTable`: what every byte and every row of a published file must be, in a small binary file.

The manifest proves this table by its digest; the table proves the file piece by piece, so that
damage has a place and can be mended there. Building one is in `extents`; the order of publication
is in `publication`.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.trajectory.report import CHUNKS_INTACT
from quarry.trajectory.staging import owner_mark

SUFFIX = ".digests"
DIGEST_BYTES = 32
NO_ROW = -1

EXTENT = np.dtype(
    [
        ("start", "<i8"),
        ("size", "<i8"),
        ("row", "<i4"),
        ("token", "<i4"),
        ("xxh3", "<u8"),
        ("blake3", "u1", (DIGEST_BYTES,)),
    ]
)
"""One piece of a file: byte range, first row and token of the chunk it is, and its digests.

`row` and `token` are -1 where the piece is no chunk of activations. XXH3 is for every read, as
fast as memory; BLAKE3 is the proof.
"""

Extents = npt.NDArray[np.void]
"""`(n_extents,)` of `EXTENT`, by `start`, covering the file from the first byte to the last."""


@dataclass(frozen=True)
class DigestTable:
    """Digests of the extents and rows of one file.

    Args:
        extents: every byte of the file, see `EXTENT`.
        sample_ids: ids in the order of the rows.
        states_digests: `(n_samples, 32)` uint8, of each row's valid hidden states.
        row_digests: `(n_samples, 32)` uint8, of each row: id, texts, lengths, tokens and states.
    """

    extents: Extents
    sample_ids: tuple[str, ...]
    states_digests: npt.NDArray[np.uint8]
    row_digests: npt.NDArray[np.uint8]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each sample id."""
        return {sample_id: row for row, sample_id in enumerate(self.sample_ids)}

    def extents_of(self, first: int, last: int | None = None) -> Extents:
        """The chunks that begin in rows `first` to `last`, in order of row and token."""
        rows = self.extents["row"]
        mine = self.extents[(rows >= first) & (rows <= (first if last is None else last))]
        return mine[np.lexsort((mine["start"], mine["token"], mine["row"]))]

    def as_bytes(self) -> bytes:
        """The table as an `.npz` file; equal tables give equal bytes."""
        ids = "\0".join(self.sample_ids).encode("utf-8")
        buffer = io.BytesIO()
        np.savez(
            buffer,
            extents=self.extents,
            sample_ids=np.frombuffer(ids, dtype=np.uint8),
            states_digests=self.states_digests,
            row_digests=self.row_digests,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> DigestTable:
        """The inverse of `as_bytes`, for bytes whose digest was compared.

        Raises:
            ValueError, KeyError, OSError, zipfile.BadZipFile: these are no such bytes.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ids = arrays["sample_ids"].tobytes().decode("utf-8")
            n_samples = len(arrays["row_digests"])
            return cls(
                arrays["extents"].astype(EXTENT, copy=False),
                tuple(ids.split("\0")) if n_samples else (),
                arrays["states_digests"],
                arrays["row_digests"],
            )


def digest_array(digests: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Digests of 32 bytes as `(n, 32)` uint8."""
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def table_path(file: Path, table_digest: str) -> Path:
    """Where the table of a file lies: its name carries its own digest, so it is never replaced."""
    return file.with_name(f"{file.name}{SUFFIX}-{table_digest[:16]}.npz")


def write_table(file: Path, table: DigestTable) -> str:
    """Write a file's table beside it, durably; returns the table's digest as hex."""
    data = table.as_bytes()
    digest = blake3(data).hexdigest()
    put_table(file, digest, data)
    return digest


def put_table(file: Path, table_digest: str, data: bytes) -> None:
    """Write the bytes of a table beside a file, durably and under its own name at once."""
    path = table_path(file, table_digest)
    temporary = path.with_name(f".{path.name}{owner_mark()}tmp")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


def read_table_bytes(file: Path, table_digest: str) -> bytes:
    """The bytes of a file's table, proven by its digest.

    Raises:
        FileMissingError: there is none.
        IntegrityError: it is damaged.
    """
    path = table_path(file, table_digest)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileMissingError(
            "The digests of a trajectory file are missing",
            where=str(path),
            expected="the table of digests that the manifest names",
            got="no file",
            fix="run `quarry repair` on the trajectory file: it makes the table anew",
        ) from error
    return proven_table_bytes(data, table_digest, str(path))


def proven_table_bytes(data: bytes, table_digest: str, where: str) -> bytes:
    """Bytes that were read somewhere, if they are those of a table.

    Raises:
        IntegrityError: they are not.
    """
    got = blake3(data).hexdigest()
    if got != table_digest:
        raise _damaged(where, f"blake3 {table_digest}", got)
    return data


def read_table(file: Path, table_digest: str) -> DigestTable:
    """A file's table.

    Raises:
        FileMissingError: there is none.
        IntegrityError: it is damaged.
    """
    data = read_table_bytes(file, table_digest)
    try:
        return DigestTable.from_bytes(data)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        place = str(table_path(file, table_digest))
        raise _damaged(place, "a table of digests", str(error)) from error


def sweep_tables(file: Path, kept_digest: str) -> None:
    """Remove the tables of older versions of a file."""
    kept = table_path(file, kept_digest)
    for path in file.parent.glob(f"{file.name}{SUFFIX}-*.npz"):
        if path != kept:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _damaged(where: str, expected: str, got: str) -> IntegrityError:
    """The error for a table that proves nothing any more."""
    found = Finding(
        check=CHUNKS_INTACT,
        kind="digests_damaged",
        what="The table of digests is damaged",
        where=where,
        expected=expected,
        got=got,
        cure="run `quarry repair` on the trajectory file: it makes the table anew",
    )
    return IntegrityError("A table of digests is damaged", where=where, findings=[found])
