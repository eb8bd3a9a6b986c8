"""Frames between examiner and worker: whole, one by one, and nothing that is none gets through."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from quarry.sandbox.inside.wire import Channel, ChannelClosedError, FrameError, TooLongError


@pytest.fixture
def channels() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, most_bytes=1000), theirs


def test_frames_arrive_one_by_one_however_they_are_cut(
    channels: tuple[Channel, socket.socket],
) -> None:
    channel, theirs = channels
    frames = b"".join(struct.pack(">I", len(text)) + text for text in (b"[1]", b'"x"', b"{}"))
    for start in range(0, len(frames), 2):
        theirs.sendall(frames[start : start + 2])
    assert [channel.receive() for _ in range(3)] == [[1], "x", {}]


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff",
        struct.pack(">I", 1001),
        struct.pack(">I", 3) + b"\xff\xfe\xfd",
        struct.pack(">I", 3) + b"[1,",
        struct.pack(">I", 0),
        struct.pack(">I", 900) + b"[" * 900,
        struct.pack(">I", 12) + b'"\xc3\xa9 no ascii"'[:12],
    ],
    ids=["huge", "long", "no text", "cut", "empty", "deep", "no ascii"],
)
def test_what_is_no_frame_is_refused(raw: bytes, channels: tuple[Channel, socket.socket]) -> None:
    channel, theirs = channels
    theirs.sendall(raw)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(FrameError):
        channel.receive()


def test_a_number_of_too_many_digits_is_no_frame() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", 5000) + b"9" * 5000)
        with pytest.raises(FrameError):
            Channel(ours).receive()


def test_a_message_that_is_too_long_is_not_sent_and_the_next_one_is(
    channels: tuple[Channel, socket.socket],
) -> None:
    channel, theirs = channels
    with pytest.raises(TooLongError):
        channel.send("x" * 1000)
    channel.send("x")
    assert theirs.recv(100) == struct.pack(">I", 3) + b'"x"'


def test_the_end_of_the_other_side_is_told(channels: tuple[Channel, socket.socket]) -> None:
    channel, theirs = channels
    theirs.close()
    with pytest.raises(ChannelClosedError):
        channel.receive()
    with pytest.raises(ChannelClosedError):
        channel.send(1)
