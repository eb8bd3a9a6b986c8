"""Frames of JSON between examiner and worker: how messages travel, not what they mean.

A frame is its length in four bytes, the most significant first, and as many bytes of JSON. Which
values a message may hold is decided in `encoding` and `decoding`. The receiver trusts nothing: a
frame that is too long, ends early or is no JSON raises `FrameError`.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

MOST_FRAME_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 16
_LENGTH = struct.Struct(">I")
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=float).decode  # a NaN of its own for each that came


class FrameError(Exception):
    """The other side sent what is no frame."""


class TooLongError(FrameError):
    """A message was to be sent that is longer than a frame may be."""


class ChannelClosedError(FrameError):
    """The other side is gone."""


class Channel:
    """Sends and receives frames on a stream socket; for one thread.

    Args:
        stream: a connected stream socket, whose owner the channel becomes.
        most_bytes: longest frame that is accepted or sent.
    """

    def __init__(self, stream: socket.socket, most_bytes: int = MOST_FRAME_BYTES) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._left = bytearray()

    def fileno(self) -> int:
        """Descriptor to wait on; nothing is read ahead while a reply is outstanding."""
        return self._stream.fileno()

    def send(self, message: Any) -> None:
        """Send one message, made of what JSON can hold.

        Raises:
            TooLongError: it is too long; nothing was sent.
            ChannelClosedError: the other side is gone.
        """
        content = _encode(message).encode("ascii")
        if len(content) > self._most_bytes:
            raise TooLongError(f"a message of {len(content)} bytes, at most {self._most_bytes}")
        try:
            self._stream.sendall(_LENGTH.pack(len(content)) + content)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self) -> Any:
        """The next message; waits for it.

        Raises:
            FrameError: what came is no frame.
            ChannelClosedError: the other side is gone.
        """
        self._read_up_to(_LENGTH.size)
        (length,) = _LENGTH.unpack_from(self._left)
        if length > self._most_bytes:
            raise FrameError(f"a frame of {length} bytes, at most {self._most_bytes}")
        end = _LENGTH.size + length
        self._read_up_to(end)
        content = bytes(self._left[_LENGTH.size : end])
        del self._left[:end]
        try:
            return _decode(content.decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise FrameError(f"a frame that is no JSON: {error}"[:200]) from None

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def _read_up_to(self, n_bytes: int) -> None:
        while len(self._left) < n_bytes:
            try:
                piece = self._stream.recv(max(_CHUNK_BYTES, n_bytes - len(self._left)))
            except OSError as error:
                raise ChannelClosedError(str(error)) from error
            if not piece:
                raise ChannelClosedError("the end of the channel")
            self._left += piece
