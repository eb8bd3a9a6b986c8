"""The worker's objects that have no plain form, by number; what a handle means to the examiner.

The same object has the same handle for as long as the worker lives, so that identity survives the
wire.
"""

from __future__ import annotations

from typing import Any

_MOST_NAME = 100


class Handles:
    """Objects that the other side may refer to."""

    def __init__(self) -> None:
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def tag(self, value: Any) -> dict[str, Any]:
        """What stands for `value` on the wire: its number and the name of its type."""
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)  # which keeps its id from being given out again
        return {"handle": [number, type(value).__name__[:_MOST_NAME]]}

    def object(self, content: Any) -> Any:
        """The object that a handle's content stands for."""
        return self._objects[content[0]]
