"""Keeps what opens an account out of answers and of tracebacks.

b2sdk hands the key and its tokens from frame to frame as plain text, and quotes answers in its
errors. What a tool shows of an exception, its message and perhaps the local variables of its
frames, is cleared of them here, before the exception leaves `quarry.storage`.
"""

from __future__ import annotations

import base64
import binascii
import traceback

import requests

REDACTED = b"***"


def without_credentials(response: requests.Response) -> requests.Response:
    """An answer; if it refuses, what was sent as authorisation is not quoted in its body.

    A proxy or a debugging page may quote the request, and b2sdk quotes the page.

    Args:
        response: an answer whose body was not read yet.
    """
    if response.ok:
        return response
    body = response.content
    for secret in _credentials(response.request.headers.get("Authorization")):
        body = body.replace(secret, REDACTED)
    response._content = body  # pyright: ignore[reportPrivateUsage]  there is no other way
    return response


def forget_locals(error: BaseException) -> None:
    """Clear the local variables of all frames that an error and its causes have left.

    The frames stay, with their lines; those that are still at work are not touched.

    Args:
        error: what was caught.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        left += [one.__cause__, one.__context__]


def _credentials(header: str | bytes | None) -> list[bytes]:
    """The forms in which an answer may quote an Authorization header, the longest first."""
    if not header:
        return []
    whole = header if isinstance(header, bytes) else header.encode("utf-8")
    scheme, _, coded = whole.partition(b" ")
    if scheme != b"Basic":
        return [whole]
    try:
        plain = base64.b64decode(coded, validate=True)
    except binascii.Error:
        return [coded]
    key = plain.partition(b":")[2]
    return [coded, plain, *([key] if key else [])]
