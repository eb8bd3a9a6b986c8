"""`Budget`: how much a scrub may read a day, as people write it: `5%`, `50GB`, `200MB`.

Only amounts and their text live here; what is read for them is chosen in `quarry.scrub`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from quarry.errors import UsageError
from quarry.size_text import DECIMAL_UNITS

_PERCENT = "%"
_BINARY = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_UNITS = {_PERCENT: 0} | DECIMAL_UNITS | _BINARY
_BY_LOWER = {name.lower(): name for name in _UNITS}
_TEXT = re.compile(r"(?P<amount>\d{1,15}(?:\.\d{1,9})?)\s*(?P<unit>[a-z]{1,3}|%)", re.IGNORECASE)


@dataclass(frozen=True)
class Budget:
    """Bytes a day, or a share of all bytes a day.

    Args:
        amount: the number; above 0, and at most 100 for a share.
        unit: `%`, or a unit of bytes: decimal (`GB` is 10^9) or binary (`GiB` is 2^30).
    """

    amount: Decimal
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget.

        Raises:
            UsageError: the text is no amount with a unit, or the amount makes no sense.
        """
        found = _TEXT.fullmatch(text.strip())
        unit = _BY_LOWER.get(found["unit"].lower()) if found else None
        if found is None or unit is None:
            raise _wrong(text, f"a number and a unit, one of {', '.join(_UNITS)}")
        amount = Decimal(found["amount"])
        if amount <= 0:
            raise _wrong(text, "more than nothing: at least one file a day is verified")
        if unit == _PERCENT and amount > 100:
            raise _wrong(text, "at most 100%: more than everything can't be verified")
        return cls(amount, unit)

    def bytes_of(self, total_bytes: int) -> int:
        """Bytes a day for files of `total_bytes` together; at least 1."""
        if self.unit == _PERCENT:
            return max(1, math.ceil(self.amount * total_bytes / 100))
        return max(1, math.ceil(self.amount * _UNITS[self.unit]))

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.amount:f}{self.unit}"


def _wrong(text: str, expected: str) -> UsageError:
    """The error for a text that is no budget."""
    return UsageError(
        "A scrub budget can't be read",
        where="the daily budget",
        expected=expected,
        got=repr(text),
        fix="write a share of all bytes such as 5%, or an amount such as 50GB",
    )
