"""The examiner against a worker that lies: each forgery ends the conversation."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from quarry.grading.examiner.conversation import (
    BrokenOffError,
    Conversation,
    ForgedReplyError,
    NotGradeableError,
    WorkerGoneError,
)
from quarry.grading.examiner.proxies import Proxy
from quarry.sandbox.inside.wire import Channel

Answer = Callable[[list[Any]], bytes | list[Any]]


class Liar:
    """A worker that answers each request as it is told; closed after the last answer."""

    def __init__(self, *answers: Answer) -> None:
        self.stream, theirs = socket.socketpair()
        self.requests: list[list[Any]] = []
        self.conversation = Conversation(Channel(self.stream))
        self._thread = threading.Thread(target=self._lie, args=(theirs, answers))
        self._thread.start()

    def _lie(self, stream: socket.socket, answers: tuple[Answer, ...]) -> None:
        channel = Channel(stream)
        with stream:
            for answer in answers:
                request = channel.receive()
                self.requests.append(request)
                reply = answer(request)
                if isinstance(reply, bytes):
                    stream.sendall(reply)
                else:
                    channel.send(reply)

    def close(self) -> None:
        self._thread.join()
        self.stream.close()


@pytest.fixture
def lied() -> Iterator[Callable[..., Liar]]:
    made: list[Liar] = []

    def make(*answers: Answer) -> Liar:
        made.append(Liar(*answers))
        return made[-1]

    yield make
    for liar in made:
        liar.close()


def value(content: Any) -> Answer:
    return lambda request: [request[0], "value", content]


def raised(**parts: Any) -> Answer:
    description = {"base": "ValueError", "name": "Own", "message": "m", "line": 3, **parts}
    return lambda request: [request[0], "raised", description]


def framed(content: Any) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack(">I", len(text)) + text


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: [request[0] + 1, "value", 1],
        lambda request: [request[0] - 1, "value", 1],
        lambda request: [str(request[0]), "value", 1],
        lambda request: [request[0], "passed", 1],
        lambda request: [request[0], "value"],
        lambda request: {"value": 1},  # type: ignore[dict-item]
        lambda request: b"PASSED\n" * 10,
        lambda request: b"\xff\xff\xff\xff",
        lambda request: framed([request[0], "value", {"pickle": "gASV"}]),
        lambda request: framed([request[0], "value", {"handle": ["0", "int"]}]),
        lambda request: framed([request[0], "value", {"handle": [[1], "int"]}]),
        lambda request: framed([request[0], "value", {"module": "os"}]),
        lambda request: framed([request[0], "raised", "AssertionError"]),
        lambda request: framed([request[0], "raised", {"base": 1}]),
    ],
)
def test_what_is_no_reply_ends_the_conversation_for_good(
    answer: Answer, lied: Callable[..., Liar]
) -> None:
    conversation = lied(answer).conversation
    for _ in range(2):
        with pytest.raises(ForgedReplyError):
            conversation.ask("name", "f")
    assert isinstance(conversation.ended, ForgedReplyError)


def test_two_replies_to_one_request_do_not_pass_for_the_next(lied: Callable[..., Liar]) -> None:
    liar = lied(lambda request: framed([request[0], "value", 1]) * 2, value(2))
    assert liar.conversation.ask("name", "f") == 1
    with pytest.raises(ForgedReplyError):
        liar.conversation.ask("name", "f")


def test_a_reply_written_ahead_is_the_answer_and_its_successor_a_forgery(
    lied: Callable[..., Liar],
) -> None:
    ahead = framed([1, "value", 1]) + framed([2, "value", 42])
    liar = lied(lambda _: ahead, value(7), value(8))
    assert liar.conversation.ask("load", "") == 1
    assert liar.conversation.ask("name", "f") == 42
    with pytest.raises(ForgedReplyError):
        liar.conversation.ask("name", "f")


def test_the_end_of_the_worker_is_no_answer(lied: Callable[..., Liar]) -> None:
    with pytest.raises(WorkerGoneError):
        lied().conversation.ask("load", "")


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        ("ValueError", ValueError),
        ("SystemExit", SystemExit),
        ("UnicodeDecodeError", ValueError),
        ("print", Exception),
        ("NoSuchError", Exception),
        ("int", Exception),
        ("BrokenOffError", Exception),
    ],
)
def test_only_builtin_exceptions_are_raised(
    base: str, kind: type[BaseException], lied: Callable[..., Liar]
) -> None:
    conversation = lied(raised(base=base)).conversation
    with pytest.raises(kind) as caught:
        conversation.ask("call")
    assert not isinstance(caught.value, BrokenOffError)
    assert caught.value.described == {"exception": "Own", "message": "m", "line": 3}  # type: ignore[attr-defined]
    assert conversation.ended is None


def test_what_a_test_can_not_hand_over_is_not_the_programs_fault() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conversation = Conversation(Channel(ours))
        for argument in (lambda: 0, object(), iter([])):
            with pytest.raises(NotGradeableError):
                conversation.ask("call", argument)


def test_a_proxy_equals_nothing_but_itself_and_asks_nobody(lied: Callable[..., Liar]) -> None:
    handle = {"handle": [5, "Thing"]}
    liar = lied(value(handle), value(handle), value({"handle": [6, "Thing"]}))
    first, again, other = (liar.conversation.ask("name", "f") for _ in range(3))
    assert first is again
    assert first == again != other
    assert not any(first == plain for plain in (0, True, "Thing", [], None, 5))
    assert repr(first) == "<Thing of the program>"
    assert len({first, again, other}) == 2
    assert len(liar.requests) == 3


def test_a_proxy_asks_for_each_use(lied: Callable[..., Liar]) -> None:
    handle = {"handle": [0, "Thing"]}
    n_uses = 6
    liar = lied(value(handle), *[value(True)] * n_uses)
    thing: Any = liar.conversation.ask("name", "f")
    assert isinstance(thing, Proxy)
    assert thing.left is True
    thing.left = 3
    assert thing[1] is True
    thing["k"] = thing
    assert bool(thing) is True
    assert thing(1, key=[2]) is True
    asked = [request[1] for request in liar.requests[1:]]
    assert asked == ["getattr", "setattr", "getitem", "setitem", "bool", "call"]
    assert liar.requests[-1][2:] == [
        {"handle": [0]},
        {"tuple": [1]},
        {"dict": [["key"], [[2]]]},
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda thing: thing - 1.5,
        lambda thing: 1.5 - thing,
        lambda thing: abs(thing),
        lambda thing: thing <= 0.0,
        lambda thing: thing > 0.0,
        lambda thing: float(thing),
        lambda thing: round(thing),
    ],
)
def test_the_program_is_never_told_what_it_is_compared_with(
    use: Callable[[Any], Any], lied: Callable[..., Liar]
) -> None:
    liar = lied(value({"handle": [0, "Thing"]}))
    thing = liar.conversation.ask("name", "f")
    with pytest.raises(TypeError):
        use(thing)
    assert len(liar.requests) == 1


@pytest.mark.parametrize(("use", "lie"), [(len, "x"), (bool, 1), (str, 5), (len, -1)])
def test_what_has_to_be_of_a_type_is_or_fails(
    use: Callable[[Any], Any], lie: Any, lied: Callable[..., Liar]
) -> None:
    liar = lied(value({"handle": [0, "Thing"]}), value(lie))
    thing = liar.conversation.ask("name", "f")
    with pytest.raises((TypeError, ValueError)):
        use(thing)


def test_special_attributes_are_not_the_workers(lied: Callable[..., Liar]) -> None:
    thing = lied(value({"handle": [0, "Thing"]})).conversation.ask("name", "f")
    for name in ("__array__", "__index__", "__fspath__", "__await__"):
        assert not hasattr(thing, name)
