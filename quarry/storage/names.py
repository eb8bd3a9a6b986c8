"""Which names and which metadata an object may have, the same in every store.

The rules are the narrowest of all stores, so that what one takes each can take, and two names
never fall together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from quarry.errors import UsageError

MAX_NAME_BYTES = 1024
MAX_SEGMENT_BYTES = 250
MAX_METADATA = 8
MAX_METADATA_BYTES = 1500
RESERVED_KEYS = frozenset({"blake3", "large_file_sha1"})
_KEY = re.compile(r"[a-z0-9_-]{1,50}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def require_name(name: str) -> str:
    """Refuse a name that a store, a file system or a reader could take for another one.

    Returns:
        The name, unchanged: segments between single slashes, in Unicode's composed form.

    Raises:
        UsageError: it is too long, absolute, climbs up, or has unfit characters.
    """
    problem = _problem(name)
    if problem is not None:
        raise UsageError(
            "This is no name of an object",
            where=ascii(name)[:200],
            expected="segments between single slashes, such as `trajectories/0shot/toy/gsm8k.h5`",
            got=problem,
            fix="choose another name",
        )
    return name


def require_prefix(prefix: str) -> str:
    """Refuse a prefix that no name can begin with, such as one that climbs up.

    Raises:
        UsageError: no name begins like this.
    """
    require_name(prefix + "x")
    return prefix


def require_range(offset: int, size: int) -> None:
    """Refuse a range of bytes that begins before the first or has a negative size.

    Raises:
        UsageError: it does.
    """
    if offset < 0 or size < 0:
        raise UsageError(
            "This is no range of bytes",
            expected="offset and size of at least 0",
            got=f"offset {offset}, size {size}",
            fix="count from the first byte",
        )


def _problem(name: str) -> str | None:
    """What is wrong with a name."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "characters that UTF-8 can't hold"
    if not 1 <= len(encoded) <= MAX_NAME_BYTES:
        return f"{len(encoded):,} bytes in UTF-8, where 1 to {MAX_NAME_BYTES:,} are possible"
    if any(unicodedata.category(character) == "Cc" for character in name) or "\\" in name:
        return "a control character or a backslash"
    if unicodedata.normalize("NFC", name) != name:
        return "letters and accents apart (not Unicode NFC)"
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "a segment that is empty, `.` or `..`"
    if any(len(segment.encode("utf-8")) > MAX_SEGMENT_BYTES for segment in segments):
        return f"a segment of more than {MAX_SEGMENT_BYTES} bytes in UTF-8"
    return None


def require_digest(digest: str) -> str:
    """Refuse what is no BLAKE3 digest in lower-case hex.

    Raises:
        UsageError: it is none.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise UsageError(
            "This is no digest",
            expected="64 hex digits of BLAKE3, as the manifest has them",
            got=repr(digest)[:100],
            fix="publish the file first; its manifest names the digest",
        )
    return digest


def require_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Refuse metadata that would not come back from every store as it went in.

    Returns:
        A copy, by key.

    Raises:
        UsageError: too many or too long, or a key or value with unfit characters.
    """
    given = dict(sorted((metadata or {}).items()))
    size_bytes = sum(len(key) + len(value.encode()) for key, value in given.items())
    fits = (
        len(given) <= MAX_METADATA
        and size_bytes <= MAX_METADATA_BYTES
        and all(_KEY.fullmatch(key) and key not in RESERVED_KEYS for key in given)
        and all(value.isprintable() for value in given.values())
    )
    if not fits:
        raise UsageError(
            "An object can't have this metadata",
            expected=f"at most {MAX_METADATA} entries and {MAX_METADATA_BYTES:,} bytes; keys of "
            "`a-z 0-9 _ -` that the store does not use itself; printable values",
            got=repr(given)[:200],
            fix="keep it in the manifest instead",
        )
    return given
