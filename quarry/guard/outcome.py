"""What became of a guarded child: its messages, and why it did not end well, in words.

How a child is run is in `guarded`.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import Any

_ERRORS_SHOWN = 300


@dataclass(frozen=True)
class ChildOutcome:
    """What became of a child.

    Args:
        messages: the JSON messages that it told, up to the first that is cut or none.
        failure: why it did not end well, as a sentence for a person; None if it did.
    """

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failure: str | None = None


def ended_child(output: bytes, errors: bytes, code: int) -> ChildOutcome:
    """The outcome of a child that ended by itself.

    Args:
        output: its JSON lines.
        errors: the end of its standard error.
        code: its exit code, negative for a signal.
    """
    return ChildOutcome(_messages(output), _failure(code, errors))


def overdue_child(output: bytes, deadline_s: float) -> ChildOutcome:
    """The outcome of a child that was killed at its deadline.

    Args:
        output: its JSON lines until then.
        deadline_s: the deadline in seconds.
    """
    return ChildOutcome(_messages(output), f"no end after {deadline_s:g} s; it was killed")


def _messages(output: bytes) -> list[dict[str, Any]]:
    """The JSON lines, up to the first that is cut or no JSON."""
    made: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            made.append(json.loads(line))
        except ValueError:
            break
    return made


def _failure(code: int, errors: bytes) -> str | None:
    """Why a child ended badly."""
    if code == 0:
        return None
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    last = errors.decode("utf-8", "replace").strip()[-_ERRORS_SHOWN:]
    return f"exit status {code}: {last}"
