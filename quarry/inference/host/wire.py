"""Messages between caller and host: JSON objects, one a line, over a socket.

Hidden states are not among them: they go through shared memory (`spool`).
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class CaptureOrder:
    """Where the states of one request go.

    Args:
        slot: index of the status word.
        offset_bytes: where its rows begin in the shared memory.
        start: first token whose state is kept.
        stop: the token behind the last whose state may be kept; fewer are where it ends earlier.
    """

    slot: int
    offset_bytes: int
    start: int
    stop: int


@dataclass(frozen=True)
class Submission:
    """One completion to be generated.

    Args:
        id: number of the request.
        prompt_ids: token ids of the prompt.
        max_new_tokens: most tokens of the completion.
        temperature: 0 is greedy.
        top_p: nucleus mass; 1 is off.
        top_k: number of candidates; 0 is off.
        seed: of this completion alone; None when greedy.
        stop: strings that end it.
        end_ids: tokens that end it.
        capture: where its states go; None for nowhere.
    """

    id: int
    prompt_ids: list[int]
    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stop: tuple[str, ...]
    end_ids: tuple[int, ...]
    capture: CaptureOrder | None

    def to_message(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"op": "submit", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Submission:
        """Read what `to_message` wrote."""
        values: dict[str, Any] = {name: value for name, value in message.items() if name != "op"}
        capture = values.pop("capture")
        values |= {name: tuple(values[name]) for name in ("stop", "end_ids")}
        return cls(**values, capture=None if capture is None else CaptureOrder(**capture))


class Channel:
    """One end of the socket.

    Args:
        connection: the connected socket; owned by the channel.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Nothing was read yet."""
        self._socket = connection
        self._rest = b""
        self._read: deque[dict[str, Any]] = deque()
        self._sending = threading.Lock()
        self.is_closed = False

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; what comes in meanwhile is kept for `receive`. Threads take turns.

        Two ends that only sent would wait for each other as soon as both socket buffers are full.

        Raises:
            OSError: the other end is gone.
        """
        rest = memoryview(json.dumps(message).encode() + b"\n")
        with self._sending, selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while rest:
                ((_, events),) = selector.select()
                if events & selectors.EVENT_READ:
                    self._take()
                if self.is_closed:
                    raise BrokenPipeError("the other end is gone")
                if events & selectors.EVENT_WRITE:
                    rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]

    def receive(self, timeout_s: float | None) -> dict[str, Any] | None:
        """The next message; None if none came in time, or when the other end is gone.

        Args:
            timeout_s: how long to wait; None waits for ever, 0 not at all.
        """
        while not self._read and not self.is_closed:
            if not self._is_readable(timeout_s):
                return None
            self._take()
        return self._read.popleft() if self._read else None

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._socket.close()
        self.is_closed = True

    def _is_readable(self, timeout_s: float | None) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def _take(self) -> None:
        """Read what is there; an end in the middle of a line is an end."""
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._read.extend(json.loads(line) for line in lines)
