"""`Total`: what several collections cost together, one after another, and what that rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarry.costs.estimate import Estimate
from quarry.costs.span import Span

NOTHING = Span()
_BASES_SHOWN = 3


@dataclass(frozen=True)
class Total:
    """The cost of several cells.

    Args:
        gpu_hours: hours of one GPU, all cells together.
        wall_hours: hours until all are done, one after another; None where of none it is known.
        n_unknown: cells of which the wall hours are not known.
        bases: what the estimates are made from, and of how many cells.
        price: dollars for a GPU hour; None where the catalog names none.
    """

    gpu_hours: Span = NOTHING
    wall_hours: Span | None = None
    n_unknown: int = 0
    bases: Mapping[str, int] = field(default_factory=dict[str, int])
    price: float | None = None

    def __add__(self, other: Total) -> Total:
        """The cost of both; the price is the same for all."""
        known = [one.wall_hours for one in (self, other) if one.wall_hours is not None]
        return Total(
            gpu_hours=self.gpu_hours + other.gpu_hours,
            wall_hours=sum(known, NOTHING) if known else None,
            n_unknown=self.n_unknown + other.n_unknown,
            bases=Counter(self.bases) + Counter(other.bases),
            price=self.price if self.price is not None else other.price,
        )

    @property
    def n_cells(self) -> int:
        """Cells that are counted."""
        return sum(self.bases.values())

    @property
    def dollars(self) -> Span | None:
        """What the GPU hours cost; None without a price."""
        return None if self.price is None else self.gpu_hours.times(self.price)

    @property
    def basis(self) -> str:
        """What it rests on, in words, the most frequent first: `catalog default (2)`."""
        if len(self.bases) == 1:
            return next(iter(self.bases))
        counted = Counter(dict(self.bases)).most_common()
        texts = [f"{basis} ({count})" for basis, count in counted[:_BASES_SHOWN]]
        n_more = sum(count for _, count in counted[_BASES_SHOWN:])
        return "; ".join([*texts, *([f"and {n_more} more"] if n_more else [])])

    @property
    def wall_text(self) -> str:
        """The wall hours for a person; cells of which nothing is known are named."""
        if self.wall_hours is None:
            return "" if not self.n_cells else "unknown"
        return self.wall_hours.text + (f", {self.n_unknown} unknown" if self.n_unknown else "")

    @property
    def text(self) -> str:
        """For a person: `10.5 GPU hours (8-12), $21, 5.2 wall hours one after another`."""
        dollars = f", ${self.dollars.text}" if self.dollars else ""
        wall = f", {self.wall_hours.text} wall hours one after another" if self.wall_hours else ""
        lacking = f" (not known of {self.n_unknown})" if self.n_unknown and wall else ""
        return f"{self.gpu_hours.text} GPU hours{dollars}{wall}{lacking}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "gpu_hours": self.gpu_hours.as_dict(),
            "wall_hours": self.wall_hours.as_dict() if self.wall_hours else None,
            "cells_without_wall_hours": self.n_unknown,
            "dollars": self.dollars.as_dict() if self.dollars else None,
            "basis": self.basis,
        }


def total_of(estimates: Sequence[Estimate], price: float | None = None) -> Total:
    """The cost of all these cells.

    Args:
        estimates: one a cell.
        price: dollars for a GPU hour.
    """
    ones = [
        Total(
            gpu_hours=one.gpu_hours,
            wall_hours=one.wall_hours,
            n_unknown=int(one.wall_hours is None),
            bases={one.basis: 1},
            price=price,
        )
        for one in estimates
    ]
    return sum(ones, Total(price=price))
