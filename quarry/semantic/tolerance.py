"""How far recomputed states may lie from stored ones: rounding explains so much, and no more.

The figures come from the measurements in `docs/decisions/0020-semantic-check.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FINER = 0.5
"""Another layer, position or sample is believed if its error is less than this share of the own."""


@dataclass(frozen=True)
class Tolerance:
    """Largest relative errors `|stored - recomputed| / |recomputed|` that rounding explains.

    Args:
        dtype: the coarser of the two computations' dtypes.
        median: of the positions of one layer of one row.
        worst: of one position of one layer.
    """

    dtype: str
    median: float
    worst: float


FLOOR = 2e-3
"""Below this, two states are the same: twice what storing as float16 can change, and more."""

_BY_DTYPE = {
    "float32": Tolerance("float32", 1e-3, FLOOR),
    "float16": Tolerance("float16", 0.02, 0.10),
    "bfloat16": Tolerance("bfloat16", 0.10, 0.40),
}
_ORDER = tuple(_BY_DTYPE)


def tolerance_of(stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> Tolerance:
    """The tolerance between two engines, from what they say of themselves.

    Args:
        stored: the engine that made the file, see `InferenceEngine.describe`.
        recomputed: the engine that runs now.
    """
    return _BY_DTYPE[max(_dtype(stored), _dtype(recomputed), key=_ORDER.index)]


def _dtype(engine: Mapping[str, Any]) -> str:
    """The dtype of an engine; the coarsest where it says none that is known."""
    name = str(engine.get("dtype", "")).removeprefix("torch.")
    return name if name in _BY_DTYPE else _ORDER[-1]
