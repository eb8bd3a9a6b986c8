"""Reading objects of a bucket in ranges; each range comes whole or is asked for again."""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import cycle
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
    session: B2Session,
    url: Callable[[], str],
    name: str,
    offset: int,
    room: memoryview,
    limits: Limits,
) -> memoryview | None:
    """One range of an object, whole; shorter only where the object ends.

    Args:
        session: an authorised one.
        url: gives the download URL, which may change with a new token.
        name: the object that the URL should lead to.
        offset: first byte.
        room: where the bytes go, as many as it has room for, at least 1.
        limits: the caller's.

    Returns:
        The room with bytes in it; none if there is no such object.
    """
    call = partial(_fetch_once, session, url, name, offset, room)
    try:
        return patiently(call, limits, absent_raises=True)
    except b2.B2Error as error:
        if is_absent(error):
            return None
        raise


def _fetch_once(
    session: B2Session, url: Callable[[], str], name: str, offset: int, room: memoryview
) -> memoryview | None:
    """`fetch`, with one request."""
    try:
        opened: Any = session.download_file_from_url(url(), range_=(offset, offset + len(room) - 1))
    except b2.UnsatisfiableRange:
        return room[:0]
    with opened as response:
        pieces = body(response)
        if unquote_plus(response.headers["x-bz-file-name"]) != name:
            pieces.close()
            return None
        expected_bytes = _expected(response.headers, offset, len(room))
        n_bytes = 0
        for piece in pieces:
            if n_bytes + len(piece) > expected_bytes:
                raise b2.B2ConnectionError(f"more than {expected_bytes:,} bytes came")
            room[n_bytes : n_bytes + len(piece)] = piece
            n_bytes += len(piece)
    if n_bytes != expected_bytes:
        raise b2.B2ConnectionError(f"{n_bytes:,} of {expected_bytes:,} bytes came")
    return room[:n_bytes]


def _expected(headers: Mapping[str, str], offset: int, size: int) -> int:
    """How many bytes an answer must have, by the object's whole size."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None:
        raise b2.B2ConnectionError("the answer is no range of bytes")
    return max(0, min(size, int(found[3]) - offset))


def windows(
    session: B2Session, info: ObjectInfo, window_bytes: int, n_connections: int, limits: Limits
) -> Generator[memoryview | None]:
    """A whole version in order, in windows that several connections fetch; none where it is gone.

    There are `n_connections + 1` windows, used again and again, because fresh memory is slow: each
    keeps its bytes until the next one is asked for.
    """
    url = partial(session.get_download_url_by_id, info.version)
    offsets = range(0, info.size_bytes, window_bytes)
    rooms = cycle(
        [
            memoryview(bytearray(min(window_bytes, info.size_bytes)))
            for _ in range(min(n_connections + 1, len(offsets)))
        ]
    )
    calls = (
        partial(fetch, session, url, info.name, offset, room[: info.size_bytes - offset], limits)
        for offset, room in zip(offsets, rooms, strict=False)
    )
    return in_order(calls, n_connections, limits)
