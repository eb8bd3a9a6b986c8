"""`Span`: an amount that is not known exactly, and how it is written for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A likely value between the least and the most that were seen; never below 0.

    Args:
        low: the least.
        likely: the value to plan with.
        high: the most.
    """

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    @classmethod
    def exactly(cls, value: float) -> Span:
        """A value without a range."""
        return cls(value, value, value)

    def __add__(self, other: Span) -> Span:
        """The span of a sum: all of it at its least, at its likely value, at its most."""
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def times(self, factor: float) -> Span:
        """The span of so many times as much."""
        return Span(self.low * factor, self.likely * factor, self.high * factor)

    @property
    def text(self) -> str:
        """For a person: `4.5`, `4.5 (3-6)`, `< 0.01`."""
        ends = amount_text(self.low), amount_text(self.high)
        likely = amount_text(self.likely)
        return likely if ends == (likely, likely) else f"{likely} ({ends[0]}-{ends[1]})"

    def as_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return {"low": self.low, "likely": self.likely, "high": self.high}


def amount_text(value: float) -> str:
    """An amount with three digits: `0`, `< 0.01`, `4.5`, `1,240`."""
    if 0 < value < 0.01:
        return "< 0.01"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"
