"""HTTP for B2 as b2sdk speaks it, but with one try a request and with the caller's limits.

b2sdk 2.13 tries a request 20 times and an upload 5 times, 57 minutes in all, and can't be told to
stop. Here each request is tried once, and `b2_retry` decides.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from b2sdk.v3 import B2Http, B2HttpApiConfig, B2Session, InMemoryAccountInfo
from b2sdk.v3.exception import B2ConnectionError, B2Error

from quarry.storage.limits import Limits

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0
_SHORTEST_TIMEOUT_S = 0.001
_CHUNK_BYTES = 1 << 20
_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)


class StoppedError(B2Error):
    """A transfer noticed that its caller's time or patience is over."""


@contextmanager
def bounded_by(limits: Limits) -> Generator[None]:
    """Hold the requests of this thread to a caller's limits."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


class BoundedSession(requests.Session):
    """An HTTP session whose socket timeouts never exceed the time that is left."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests`, with other timeouts."""
        limits = _limits.get()
        left_s = READ_TIMEOUT_S if limits is None else max(limits.remaining_s, _SHORTEST_TIMEOUT_S)
        kwargs["timeout"] = (min(CONNECT_TIMEOUT_S, left_s), min(READ_TIMEOUT_S, left_s))
        return super().request(*args, **kwargs)


class OneTryHttp(B2Http):
    """b2sdk's HTTP layer with a single try a request."""

    @classmethod
    def _translate_and_retry(
        cls,
        fcn: Callable[[], requests.Response],
        try_count: int,
        post_params: dict[str, Any] | None = None,
    ) -> requests.Response:
        """One try; b2sdk's errors as ever."""
        return cls._translate_errors(fcn, post_params)

    def request_content_return_json(
        self, method: Any, url: str, headers: Any, data: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As b2sdk, but an answer that trickles in ends with the caller's patience."""
        headers = {**headers, "Accept": "application/json"}
        response = self.request(method, url, headers, data, *args, stream=True, **kwargs)
        try:
            return json.loads(b"".join(body(response)))
        except ValueError as error:
            raise B2ConnectionError(f"the answer is no JSON: {error}") from error


class BoundedB2Session(B2Session):
    """A b2sdk session on `OneTryHttp`; the account lives in memory, never in a file."""

    B2HTTP_CLASS = staticmethod(OneTryHttp)


def new_session() -> B2Session:
    """A session without an account yet."""
    # The clock hook switches the locale of the whole process at each answer.
    config = B2HttpApiConfig(http_session_factory=BoundedSession, install_clock_skew_hook=False)
    return BoundedB2Session(InMemoryAccountInfo(), api_config=config)


def body(response: requests.Response) -> Generator[bytes]:
    """The body of an answer in pieces; the answer is closed at the end.

    Raises:
        B2ConnectionError: the connection broke.
        StoppedError: the caller's time or patience is over.
    """
    limits = _limits.get()
    try:
        for piece in response.iter_content(_CHUNK_BYTES):
            if limits is not None and limits.is_over:
                raise StoppedError
            yield piece
    except (requests.RequestException, OSError) as error:
        raise B2ConnectionError(f"the answer broke off: {error}") from error
    finally:
        response.close()


class PartStream(io.BytesIO):
    """The bytes of an upload, which stop flowing when the caller gives up.

    Args:
        data: the bytes; not copied.
        limits: the caller's.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        super().__init__(data)
        self._upload_limits = limits

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file."""
        if self._upload_limits.is_over:
            raise StoppedError
        return super().read(size)
