"""What a published file is as objects: itself, its table of digests and, last, its manifest.

A file of a format without manifest, such as a Parquet table, is one object. Nothing is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from quarry.errors import FileMissingError, UsageError
from quarry.trajectory.digest_table import SUFFIX as TABLE_SUFFIX
from quarry.trajectory.digest_table import read_table_bytes, table_path
from quarry.trajectory.digests import HEAD_BYTES, file_digest, head_digest
from quarry.trajectory.manifest import SUFFIX as MANIFEST_SUFFIX
from quarry.trajectory.manifest import manifest_path, parse_manifest, read_manifest

ALWAYS_WITH_MANIFEST = (".h5", ".hdf5")


@dataclass(frozen=True)
class Outgoing:
    """One file and the object that it is to be.

    Args:
        path: where it lies.
        name: the object's name.
        blake3: digest of its bytes.
        size_bytes: its size.
        head_digest: digest of its first 2 KiB.
    """

    path: Path
    name: str
    blake3: str
    size_bytes: int
    head_digest: str

    @classmethod
    def of(cls, path: Path, name: str, data: bytes) -> Outgoing:
        """A small file whose bytes were read already."""
        return cls(path, name, blake3(data).hexdigest(), len(data), head_digest(data))


def outgoing(file: Path, name: str) -> tuple[Outgoing, ...]:
    """The objects of a file, in the order in which they are stored: the manifest last.

    The file itself is not read where a manifest says what it is.

    Args:
        file: the published file.
        name: its object's name; those of its proofs are made from it.

    Raises:
        FileMissingError: there is no file, or it lacks the manifest or the table that it must have.
        IntegrityError: its manifest or its table is damaged.
        UsageError: it is not published yet.
    """
    place = manifest_path(file)
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return (_plain(file, name),)
    manifest = parse_manifest(data, str(place))
    table = table_path(file, manifest.digests)
    return (
        Outgoing(file, name, manifest.blake3, manifest.size_bytes, manifest.head_digest),
        Outgoing.of(
            table, table_name(name, manifest.digests), read_table_bytes(file, manifest.digests)
        ),
        Outgoing.of(place, manifest_name(name), data),
    )


def manifest_name(name: str) -> str:
    """The name of the manifest's object, from that of the file's."""
    return f"{name}{MANIFEST_SUFFIX}"


def table_name(name: str, digest: str) -> str:
    """The name of the table's object, from that of the file's and the table's digest."""
    return name.removesuffix(Path(name).name) + table_path(Path(name), digest).name


def owner_of(name: str) -> str | None:
    """The name of the file that a manifest or a table belongs to; None for anything else."""
    if name.endswith(MANIFEST_SUFFIX):
        return name.removesuffix(MANIFEST_SUFFIX)
    stem, found, rest = name.rpartition(f"{TABLE_SUFFIX}-")
    return stem if found and rest.endswith(".npz") else None


def _plain(file: Path, name: str) -> Outgoing:
    """A file of a format without manifest; it is read as a whole."""
    if file.suffix in ALWAYS_WITH_MANIFEST:
        read_manifest(manifest_path(file))
    if file.name.startswith("."):
        raise UsageError(
            "A file that is still being written can't be stored",
            where=str(file),
            expected="a published file",
            got="a temporary name",
            fix="publish it first",
        )
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        return Outgoing(file, name, file_digest(file), file.stat().st_size, head_digest(head))
    except FileNotFoundError as error:
        raise FileMissingError(
            "A file to be stored is missing",
            where=str(file),
            expected="a published file",
            got="no file",
            fix="publish it first",
        ) from error
