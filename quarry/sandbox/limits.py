"""What a graded program may use, and how it has to be shut in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from quarry.errors import UsageError

LayerChoice = Literal["auto", "strict", "fallback", "unconfined"]
"""How programs are shut in. `auto` takes the strongest that works on this machine, never
`unconfined`, which has to be asked for."""

_LEAST_MEMORY_BYTES = 64 << 20


@dataclass(frozen=True)
class Limits:
    """What a graded program may use, and how it has to be shut in.

    Args:
        timeout_s: time that program and tests may take together, waiting for a processor not
            counted; wall time is capped at three times as much, so that a busy machine does not
            turn a correct program into a timeout. Three seconds, as the official harnesses.
        memory_bytes: address space.
        output_bytes: size of one file that it writes. What it prints is discarded.
        layer: how it is shut in, see `quarry.sandbox.layers`.
    """

    timeout_s: float = 3.0
    memory_bytes: int = 1 << 30
    output_bytes: int = 1 << 20
    layer: LayerChoice = "auto"

    def __post_init__(self) -> None:
        """Refuse limits that bound nothing, and those under which no interpreter could run.

        Raises:
            UsageError: a limit is too small or infinite.
        """
        least = {"timeout_s": 0.1, "memory_bytes": _LEAST_MEMORY_BYTES, "output_bytes": 0}
        wrong = {
            name: getattr(self, name)
            for name in least
            if not least[name] <= getattr(self, name) < math.inf
        }
        if wrong:
            raise UsageError(
                "A limit for graded programs can't be used",
                where="Limits",
                expected=", ".join(f"a finite {name} >= {least[name]}" for name in wrong),
                got=", ".join(f"{name} = {value}" for name, value in wrong.items()),
                fix="correct it",
            )
