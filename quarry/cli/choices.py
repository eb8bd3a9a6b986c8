"""Values that options accept, as the types that typer shows in its help."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How deeply a trajectory file is verified."""

    LIGHT = "light"
    STRUCTURE = "structure"
    FULL = "full"


class Format(StrEnum):
    """Benchmark formats that can be graded."""

    GSM8K = "gsm8k"
    HUMANEVAL = "humaneval"
    LOGIQA = "logiqa"
    MBPP = "mbpp"
