"""The examiner's side of the conversation with a worker: one request, one reply.

What a reply holds is data or a handle, never code. Once the worker is gone or has sent what no
worker sends, every further request fails in the same way, so that a test that catches everything
does not hide it.
"""

from __future__ import annotations

import builtins
import importlib
from typing import Any, cast

from quarry.grading.examiner.proxies import Proxy, number_of
from quarry.sandbox.inside.decoding import Decoder, ForgedError
from quarry.sandbox.inside.encoding import Encoder, TooLargeError
from quarry.sandbox.inside.prepared_modules import PREPARED_MODULES
from quarry.sandbox.inside.wire import Channel, ChannelClosedError, FrameError


class BrokenOffError(BaseException):
    """The conversation is over; no test may take it for an exception of the program's."""


class WorkerGoneError(BrokenOffError):
    """The worker's process ended."""


class ForgedReplyError(BrokenOffError):
    """What came back is not a reply to what was asked."""


class NotGradeableError(BrokenOffError):
    """A test hands the program what can't be handed over."""


class Conversation:
    """One worker, asked from one thread.

    Args:
        channel: the worker's.

    Attributes:
        ended: why there are no more replies; None while there are.
    """

    def __init__(self, channel: Channel) -> None:
        self.ended: BrokenOffError | None = None
        self._channel = channel
        self._n_asked = 0
        self._proxies: dict[int, Proxy] = {}
        self._encoder = Encoder(_tag_of)
        self._decoder = Decoder(self._proxy, _trusted_module)

    def ask(self, what: str, *arguments: Any) -> Any:
        """What the worker answers.

        Raises:
            BrokenOffError: there is no answer and will be none.
            BaseException: what the program raised, as the builtin exception that it derives from,
                with the worker's description of it as `described`.
        """
        if self.ended is not None:
            raise self.ended
        try:
            return self._asked(what, arguments)
        except BrokenOffError as error:
            self.end(error)
            raise

    def end(self, why: BrokenOffError) -> None:
        """Answer nothing any more; the first reason stays."""
        self.ended = self.ended or why

    def _asked(self, what: str, arguments: tuple[Any, ...]) -> Any:
        self._n_asked += 1
        try:
            encoded = [self._encoder.encode(argument) for argument in arguments]
        except (TooLargeError, RecursionError) as error:
            raise NotGradeableError(f"a test hands over a value that is {error}") from None
        try:
            self._channel.send([self._n_asked, what, *encoded])
            kind, content = self._reply()
            if kind == "value":
                return self._decoder.decode(content)
            error = self._exception(content)
        except ChannelClosedError as closed:
            raise WorkerGoneError("the process of the program ended") from closed
        except (FrameError, ForgedError, MemoryError) as forged:
            raise ForgedReplyError(str(forged) or "a reply too large to hold") from forged
        raise error

    def _reply(self) -> tuple[str, Any]:
        reply = self._channel.receive()
        if not isinstance(reply, list) or len(cast(list[Any], reply)) != 3:
            raise ForgedError("no reply")
        number, kind, content = cast(list[Any], reply)
        if number != self._n_asked or kind not in {"value", "raised"}:
            raise ForgedError("a reply to something else")
        return kind, content

    def _proxy(self, content: Any) -> Proxy:
        """The proxy of a handle; the same for the same number."""
        number, name = content
        if type(number) is not int or type(name) is not str:
            raise ForgedError("no handle")
        if number not in self._proxies:
            self._proxies[number] = Proxy(self.ask, number, name)
        return self._proxies[number]

    def _exception(self, described: Any) -> BaseException:
        """What to raise for what the program raised; only classes of `builtins` come of it."""
        if type(described) is not dict:
            raise ForgedError("no exception")
        parts = cast(dict[str, Any], described)
        base, name, message = (parts.get(key) for key in ("base", "name", "message"))
        line = parts.get("line")
        if not all(isinstance(part, str) for part in (base, name, message)):
            raise ForgedError("no exception")
        found = getattr(builtins, str(base), None)
        kind = found if isinstance(found, type) and issubclass(found, BaseException) else Exception
        args = self._decoder.decode(parts.get("args"))
        made_of = cast(tuple[Any, ...], args) if type(args) is tuple else (str(message),)
        raised = _raised(kind, made_of, str(message))
        raised.described = {  # pyright: ignore[reportAttributeAccessIssue]
            "exception": str(name)[:100],
            "message": str(message)[:300],
            "line": line if type(line) is int else None,
        }
        return raised


def _raised(kind: type[BaseException], arguments: tuple[Any, ...], message: str) -> BaseException:
    """An exception of that kind, made of what it was made of, or of its message alone.

    A kind that takes neither gives way to its first base that does.
    """
    for base in kind.mro():
        for made_of in (arguments, (message,)):
            try:
                return base(*made_of)
            except (TypeError, ValueError):
                continue
    return Exception(message)


def _tag_of(value: Any) -> dict[str, Any]:
    """The handle of a worker's object; anything else without plain form can't be handed over."""
    if type(value) is not Proxy:
        raise NotGradeableError(f"a test hands over a {type(value).__name__}")
    return {"handle": [number_of(value)]}


def _trusted_module(name: str) -> Any:
    """Our own copy of a module that the program imported for the tests to use."""
    if name not in PREPARED_MODULES:
        raise ForgedError(f"the module {name[:50]!r}")
    return importlib.import_module(name)
