"""Values as short text for the evidence, whatever their size; never the way they are compared."""

from __future__ import annotations

import reprlib
from typing import Any

MOST_CHARACTERS = 300


class _Short(reprlib.Repr):
    """As `repr`, with long parts left out before their text is made."""

    def __init__(self) -> None:
        super().__init__()
        most_items = 60
        self.maxlevel = 6
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = most_items
        self.maxfrozenset = self.maxdeque = self.maxarray = most_items
        self.maxstring = self.maxlong = self.maxother = MOST_CHARACTERS

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out integers of many digits."""
        if x.bit_length() > 10 * MOST_CHARACTERS:
            return f"<int of {x.bit_length()} bits>"
        return super().repr_int(x, level)


_short = _Short()


def text(value: Any) -> str:
    """A value as text of at most `MOST_CHARACTERS`."""
    try:
        return cut(_short.repr(value))
    except (ValueError, RecursionError, MemoryError) as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


def message(error: BaseException) -> str:
    """What an exception says; it may be made of a number that Python refuses to write out."""
    try:
        return cut(str(error))
    except (ValueError, RecursionError, MemoryError) as refusal:
        return f"<no message: {type(refusal).__name__}>"


def cut(text: str) -> str:
    """The start of a text, storable in any format."""
    kept = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
    return kept.encode("utf-8", "replace").decode()
