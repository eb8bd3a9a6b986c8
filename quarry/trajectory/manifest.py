"""`Manifest`: what was published, in a small JSON file beside the data.

It is the proof that the file is the one that was verified; it carries a digest of itself. The
digests of single chunks and rows are in `digest_table`; writing the data and the order of
publication are in `writer` and `publication`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.trajectory.digests import canonical_digest
from quarry.trajectory.layout import FORMAT_VERSION
from quarry.trajectory.staging import owner_mark

SUFFIX = ".manifest.json"
MANIFEST_VERSION = 2
LEGACY_FORMAT = 0
_DIGEST = "digest"
_CURE = "restore the manifest from a good copy with `quarry repair`, or collect the partition again"

Origin = Literal["collected", "adopted", "salvaged"]
"""`collected` by the platform, `adopted` from an older pipeline, or `salvaged` from a bad file."""


@dataclass(frozen=True)
class Manifest:
    """What a published file is, byte for byte and value for value.

    Args:
        format_version: version of the trajectory format; 0 for a file of an older pipeline.
        file: name of the file, without its folder.
        size_bytes: its size.
        blake3: digest of its bytes, as `b3sum` prints it; empty until publication.
        head_digest: digest of its first 2 KiB, enough to tell it from a successor.
        content_digest: digest of what it says, independent of the container; the data version.
        digests: digest of the table with the digests of every extent and row, see `digest_table`.
        chunk: shape of a chunk of activations.
        n_samples: number of rows.
        datasets: digest of each dataset by name.
        rules_version: version of the rules that its values, rows and lengths passed when it was
            published; empty if they were never examined, or were found wanting.
        origin: how the file came to be.
        created_at: ISO 8601 in UTC.
    """

    format_version: int
    file: str
    size_bytes: int
    blake3: str
    head_digest: str
    content_digest: str
    digests: str
    chunk: tuple[int, ...]
    n_samples: int
    datasets: dict[str, str]
    rules_version: str
    origin: Origin
    created_at: str

    def named(self, file: str) -> Manifest:
        """The same manifest for the file under another name."""
        return replace(self, file=file)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the digest over all the others."""
        values = {"manifest_version": MANIFEST_VERSION} | asdict(self)
        values["chunk"] = list(self.chunk)
        return values | {_DIGEST: canonical_digest(values)}

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> Manifest:
        """The inverse of `as_dict`.

        Raises:
            IntegrityError: the digest does not fit, or a value is missing.
        """
        rest = {name: value for name, value in values.items() if name != _DIGEST}
        try:
            expected = canonical_digest(rest)
        except ValueError as error:  # half a surrogate pair
            raise _damaged(where, "UTF-8", str(error)) from error
        if values.get(_DIGEST) != expected:
            raise _damaged(where, f"digest {expected}", f"digest {values.get(_DIGEST)}")
        version = rest.pop("manifest_version", 1)
        if version != MANIFEST_VERSION:
            expected, got = f"manifest_version {MANIFEST_VERSION}", f"{version}"
            raise _damaged(where, expected, got, "make it anew with `quarry adopt`")
        if rest.get("format_version") not in (LEGACY_FORMAT, FORMAT_VERSION):
            got = f"{rest.get('format_version')}"
            raise _damaged(where, f"format_version {FORMAT_VERSION}", got)
        try:
            made = cls(**rest)
            return replace(made, chunk=tuple(made.chunk))
        except TypeError as error:
            raise _damaged(where, "the values of a manifest", str(error)) from error


def manifest_path(file: Path) -> Path:
    """Where the manifest of a file lies."""
    return file.with_name(file.name + SUFFIX)


def pending_path(file: Path) -> Path:
    """Where the manifest waits while the file is being given its final name."""
    return file.with_name(f".{file.name}{SUFFIX}.pending")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        FileMissingError: there is none.
        IntegrityError: it is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileMissingError(
            "A manifest is missing",
            where=str(path),
            expected="a manifest beside each published file",
            got="no file",
            fix="verify the file, then publish or collect it again",
        ) from error
    except OSError as error:
        got = error.strerror or str(error)
        raise _damaged(str(path), "a file that can be read", got) from error
    return parse_manifest(data, str(path))


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest of bytes that were read somewhere.

    Args:
        data: what `write_manifest` wrote.
        where: the place, for messages.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, "JSON", str(error)) from error
    if not isinstance(values, dict):
        raise _damaged(where, "a JSON object", type(values).__name__)
    return Manifest.from_dict(values, where)  # pyright: ignore[reportUnknownArgumentType]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest so that the name holds either the old or the whole new one, durably."""
    temporary = path.with_name(f".{path.name}{owner_mark()}tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(manifest.as_dict(), file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _damaged(where: str, expected: str, got: str, cure: str = _CURE) -> IntegrityError:
    """The error for a manifest that proves nothing any more."""
    found = Finding(
        check="file_complete",
        kind="manifest_damaged",
        what="The manifest is damaged",
        where=where,
        expected=expected,
        got=got,
        cure=cure,
    )
    return IntegrityError("A manifest is damaged", where=where, findings=[found])
