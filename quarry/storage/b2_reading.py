"""Reading objects of a bucket in ranges; each range comes whole or is asked for again."""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from b2sdk._internal import exception as b2
from b2sdk.v3 import B2Session

from quarry.storage.b2_http import body
from quarry.storage.b2_retry import is_absent, patiently
from quarry.storage.b2_workers import in_order
from quarry.storage.limits import Limits
from quarry.storage.object_store import ObjectInfo

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def fetch(
    session: B2Session, url: Callable[[], str], name: str, offset: int, size: int, limits: Limits
) -> bytes | None:
    """One range of an object, whole; shorter only where the object ends.

    Args:
        session: an authorised one.
        url: gives the download URL, which may change with a new token.
        name: the object that the URL should lead to.
        offset: first byte.
        size: number of bytes, at least 1.
        limits: the caller's.

    Returns:
        The bytes; none if there is no such object.
    """
    call = partial(_fetch_once, session, url, name, offset, size)
    try:
        return patiently(call, limits, absent_raises=True)
    except b2.B2Error as error:
        if is_absent(error):
            return None
        raise


def _fetch_once(
    session: B2Session, url: Callable[[], str], name: str, offset: int, size: int
) -> bytes | None:
    """`fetch`, with one request."""
    try:
        opened: Any = session.download_file_from_url(url(), range_=(offset, offset + size - 1))
    except b2.UnsatisfiableRange:
        return b""
    with opened as response:
        pieces = body(response)
        if unquote_plus(response.headers["x-bz-file-name"]) != name:
            pieces.close()
            return None
        expected_bytes = _expected(response.headers, offset, size)
        data = b"".join(pieces)
    if len(data) != expected_bytes:
        raise b2.B2ConnectionError(f"{len(data):,} of {expected_bytes:,} bytes came")
    return data


def _expected(headers: Mapping[str, str], offset: int, size: int) -> int:
    """How many bytes an answer must have, by the object's whole size."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None:
        raise b2.B2ConnectionError("the answer is no range of bytes")
    return max(0, min(size, int(found[3]) - offset))


def windows(
    session: B2Session, info: ObjectInfo, window_bytes: int, n_connections: int, limits: Limits
) -> Generator[bytes | None]:
    """A whole version in order, in windows that several connections fetch; none where it is gone.

    Holds at most `n_connections + 1` windows.
    """
    url = partial(session.get_download_url_by_id, info.version)
    calls = (
        partial(
            fetch,
            session,
            url,
            info.name,
            offset,
            min(window_bytes, info.size_bytes - offset),
            limits,
        )
        for offset in range(0, info.size_bytes, window_bytes)
    )
    return in_order(calls, n_connections, limits)
