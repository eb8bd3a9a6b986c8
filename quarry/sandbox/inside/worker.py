"""The worker's side of the conversation: runs one program and does what it is asked with it.

Started by the zygote in a process that is shut in already. A request is `[number, what,
argument…]`, a reply `[number, "value", encoded]` or `[number, "raised", description]`. Nothing here
is a defence: the program may change all of it, and whatever then comes back is its answer.

What the program prints is dropped, and there is nothing to read, as in the official harnesses.
"""

from __future__ import annotations

import builtins
import io
import operator
import socket
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from quarry.sandbox.inside.decoding import Decoder
from quarry.sandbox.inside.encoding import Encoder, TooLargeError
from quarry.sandbox.inside.handles import Handles
from quarry.sandbox.inside.published_guard import take_away
from quarry.sandbox.inside.wire import Channel, ChannelClosedError, TooLongError

PROGRAM_FILE = "<program>"
_MODULE = "program"
_MOST_CHARACTERS = 300
_WARM_UP_ROUNDS = 20  # more than the interpreter waits for before it adapts a function


class _Dropped(io.TextIOBase):
    """A stream that takes any text and keeps none."""

    def writable(self) -> bool:
        """Printing works."""
        return True

    def write(self, s: str, /) -> int:
        """Take the text."""
        return len(s)


class _Nothing(io.TextIOBase):
    """Standard input without anybody who types; each read fails as in the official harness."""

    def readable(self) -> bool:
        """Nothing can be read."""
        return False

    def read(self, size: int | None = -1, /) -> str:
        """Fail."""
        raise OSError("there is no input")

    def readline(self, size: int = -1, /) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fail."""
        raise OSError("there is no input")

    def __next__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fail."""
        raise OSError("there is no input")


class _Worker:
    """The program and what its examiner may ask of it."""

    def __init__(self) -> None:
        self._program = types.ModuleType(_MODULE)
        self._value: Any = None
        self._handles = Handles()
        self._encoder = Encoder(self._handles.tag)
        self._decoder = Decoder(self._handles.object, sys.modules.__getitem__, has_functions=True)
        self._known: dict[str, Callable[..., Any]] = {
            "load": self._load,
            "name": vars(self._program).__getitem__,
            "call": _called,
            **_OPERATIONS,
        }

    def answer(self, request: list[Any]) -> list[Any]:
        """The reply to one request."""
        number, what, *arguments = request
        try:
            self._value = self._known[what](*map(self._decoder.decode, arguments))
            return [number, "value", self._encoded()]
        except BaseException as error:  # noqa: BLE001  the program's outcome, whatever it raised
            return [number, "raised", {**_described(error), "args": self._arguments(error)}]

    def shortened(self, reply: list[Any]) -> list[Any]:
        """A reply that is too long to be sent, with a handle in place of the value."""
        number, kind, content = reply
        if kind == "raised":
            return [number, kind, {**content, "args": None}]
        return [number, kind, self._handles.tag(self._value)]

    def _encoded(self) -> Any:
        try:
            return self._encoder.encode(self._value)
        except (TooLargeError, RecursionError):
            return self._handles.tag(self._value)

    def _arguments(self, error: BaseException) -> Any:
        """What the exception was made of; nothing where that can't be sent."""
        try:
            return self._encoder.encode(error.args)
        except BaseException:  # noqa: BLE001  a hostile exception
            return None

    def _load(
        self, source: str, is_as_published: bool, wanted: list[str], taken: list[str]
    ) -> list[str]:
        """Run the program, as a module that dataclasses and typing find.

        Args:
            source: of the program.
            is_as_published: whether it shares its namespace with the tests, and is no module.
            wanted: names that the tests use.
            taken: names that the tests give a meaning of their own once it has run.

        Returns:
            Those of the wanted names that it has bound.
        """
        if not is_as_published:
            sys.modules[_MODULE] = self._program
        sys.stdin, sys.stdout, sys.stderr = _Nothing(), _Dropped(), _Dropped()
        if is_as_published:
            take_away(vars(self._program), needs_numpy="numpy" in source)
        code = compile(source, PROGRAM_FILE, "exec", dont_inherit=True)
        exec(code, vars(self._program))
        bound = [name for name in wanted if name in vars(self._program)]
        vars(self._program).update(dict.fromkeys(taken, _of_the_tests))
        return bound


def _of_the_tests(*_: Any, **__: Any) -> Any:
    """Stands for what the tests define in place of the program's own."""
    raise TypeError("the tests have taken this name")


def _called(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return target(*args, **kwargs)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "getattr": getattr,
    "setattr": setattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "len": len,
    "iter": iter,
    "next": next,
    "bool": bool,
    "str": str,
}


def _described(error: BaseException) -> dict[str, Any]:
    """What is raised in place of an exception on the other side, and what is said about it."""
    bases = (base for base in type.mro(type(error)) if vars(builtins).get(base.__name__) is base)
    return {
        "base": next(bases, BaseException).__name__,
        "name": type(error).__name__[:100],
        "message": _message(error),
        "line": _program_line(error),
    }


def _message(error: BaseException) -> str:
    try:
        message = str(error)[:_MOST_CHARACTERS]
        return message.encode("utf-8", "replace").decode()
    except BaseException:  # noqa: BLE001  a hostile __str__
        return "(the exception's message can't be shown)"


def _program_line(error: BaseException) -> int | None:
    """The last line of the program that the exception passed through."""
    if isinstance(error, SyntaxError) and error.filename == PROGRAM_FILE:
        return error.lineno
    numbers = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == PROGRAM_FILE
    ]
    return numbers[-1] if numbers else None


def serve(stream: socket.socket) -> None:
    """Answer the requests that come over `stream` until its other end is closed."""
    channel, worker = Channel(stream), _Worker()
    while True:
        try:
            request = channel.receive()
        except ChannelClosedError:
            return
        reply = worker.answer(request)
        try:
            try:
                channel.send(reply)
            except TooLongError:
                channel.send(worker.shortened(reply))
        except ChannelClosedError:
            return


def warm_up() -> None:
    """Serve a harmless program, so that each fork finds run in what it needs; undone behind it."""
    streams = sys.stdin, sys.stdout, sys.stderr
    call: list[Any] = [
        "call",
        {"handle": [0]},
        {"tuple": [[1, "a", 0.5, None]]},
        {"dict": [[], []]},
    ]
    requests: list[list[Any]] = [
        ["load", "def f(x):\n    return x\n", False, ["f"], []],
        ["name", "f"],
        *[call] * 8,
        ["call", {"handle": [0]}, {"tuple": []}, {"dict": [[], []]}],
    ]
    for _ in range(_WARM_UP_ROUNDS):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            asking = Channel(ours)
            for number, request in enumerate(requests, start=1):
                asking.send([number, *request])
            ours.shutdown(socket.SHUT_WR)
            serve(theirs)
    sys.stdin, sys.stdout, sys.stderr = streams
    del sys.modules[_MODULE]
