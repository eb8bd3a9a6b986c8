"""A worker that runs one program and says what it found; for trying a layer, not for grading.

The channel carries the program's source up to the end of the stream, and back one JSON object: the
value that the program bound to `report`, or the exception that ended it.
"""

from __future__ import annotations

import json
import socket
from typing import Any


def serve(channel: socket.socket) -> None:
    """Run the program that comes over `channel` and answer on it."""
    pieces: list[bytes] = []
    while piece := channel.recv(65536):
        pieces.append(piece)
    names: dict[str, Any] = {"__name__": "program", "__channel__": channel}
    answer: dict[str, Any]
    try:
        exec(compile(b"".join(pieces), "<program>", "exec"), names)
        answer = {"report": names.get("report")}
    except BaseException as error:  # noqa: BLE001  whatever the program raises is its answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    channel.sendall(json.dumps(answer, default=repr).encode())
