"""`Explanation`: what wrong states are, as a plain value that columns and rows can share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "zeroed",
    "zeroed_part",
    "part_differs",
    "saturated",
    "layer",
    "position",
    "other_sample",
    "repeated",
    "token_only",
    "scaled",
    "normed",
    "imprecise",
    "unlike",
]
UNEXPLAINED: frozenset[Kind] = frozenset({"imprecise", "unlike"})
"""Kinds that say how much differs, and not what happened."""


@dataclass(frozen=True)
class Explanation:
    """What the bad states of one column are.

    Args:
        kind: a stable machine name.
        detail: the kind's parameter in words, such as `2 positions later`; may be empty.
        shift: layers or positions by which the states are displaced; 0 for other kinds.
        residual: median relative error that remains under this explanation.
    """

    kind: Kind
    detail: str = ""
    shift: int = 0
    residual: float = 0.0

    @property
    def group(self) -> tuple[Kind, int, str]:
        """What columns have in common that went wrong in the same way."""
        return self.kind, self.shift, self.detail
