"""HTTP for B2 as b2sdk speaks it, but with one try a request and with the caller's limits.

b2sdk 2.13 tries a request 20 times and an upload 5 times, 57 minutes in all, and can't be told to
stop. Here each request is tried once, and `b2_retry` decides.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import requests
from b2sdk._internal.b2http import NotDecompressingHTTPAdapter
from b2sdk.v3 import B2Http, B2HttpApiConfig, B2Session, InMemoryAccountInfo
from b2sdk.v3.exception import B2ConnectionError, B2Error
from urllib3.exceptions import HTTPError

from quarry.storage.b2_secrecy import without_credentials
from quarry.storage.limits import Limits

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0
_SHORTEST_TIMEOUT_S = 0.001
_CHUNK_BYTES = 256 << 10
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
    """An HTTP session whose timeouts never exceed the time left, and which hides credentials."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[tuple[str, ...], Any] = {}

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests`, with other timeouts; refusals quote nothing that opens the account."""
        limits = _limits.get()
        left_s = READ_TIMEOUT_S if limits is None else max(limits.remaining_s, _SHORTEST_TIMEOUT_S)
        kwargs["timeout"] = (min(CONNECT_TIMEOUT_S, left_s), min(READ_TIMEOUT_S, left_s))
        return without_credentials(super().request(*args, **kwargs))

    def merge_environment_settings(
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """As `requests`, but the environment is looked up once a host and kind of call."""
        key = (*urlsplit(url)[:2], str((proxies, stream, verify, cert)))
        if key not in self._settings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._settings[key] = found
        return dict(self._settings[key])


class _WideAdapter(NotDecompressingHTTPAdapter):
    """b2sdk's adapter, sending bodies in larger blocks than urllib3's 16 KiB."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As `requests`, with another block size."""
        super().init_poolmanager(*args, blocksize=_CHUNK_BYTES, **kwargs)


class OneTryHttp(B2Http):
    """b2sdk's HTTP layer with a single try a request."""

    def __init__(self, api_config: B2HttpApiConfig) -> None:
        super().__init__(api_config)
        self.session.mount("", _WideAdapter())

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
    """The body of an answer in pieces, as they come; the answer is closed at the end.

    A piece is what one read of the socket gives: waiting for a certain size would let an answer
    that trickles in outlast its caller's patience.

    Raises:
        B2ConnectionError: the connection broke.
        StoppedError: the caller's time or patience is over.
    """
    limits = _limits.get()
    try:
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            if limits is not None and limits.is_over:
                raise StoppedError
            yield piece
    except (requests.RequestException, HTTPError, OSError) as error:
        raise B2ConnectionError(f"the answer broke off: {error}") from error
    finally:
        response.close()


class PartStream:
    """The bytes of an upload as a file, which stop flowing when the caller gives up.

    What is read are views: nothing is copied on the way to the socket.

    Args:
        data: the bytes.
        limits: the caller's.
    """

    def __init__(self, data: bytes | memoryview, limits: Limits) -> None:
        self._data = memoryview(data)
        self._limits = limits
        self._position = 0
        self.len = len(data)

    def read(self, size: int = -1) -> memoryview:
        """The next bytes."""
        if self._limits.is_over:
            raise StoppedError
        start = self._position
        self._position = self.len if size < 0 else min(self.len, start + size)
        return self._data[start : self._position]

    def seek(self, offset: int) -> int:
        """Go on from another place, by bytes from the beginning."""
        self._position = offset
        return offset

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def __iter__(self) -> Iterator[memoryview]:
        """Marks it as a stream for `requests`."""
        while piece := self.read(_CHUNK_BYTES):
            yield piece
