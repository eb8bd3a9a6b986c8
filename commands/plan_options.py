"""The options that say what a plan is about, shared by `plan` and `backfill`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from quarry.planning.selection import KINDS, Kind, PlanSelection

Missing = Annotated[bool, typer.Option("--missing", help="cells without a file or without labels")]
Failed = Annotated[bool, typer.Option("--failed", help="cells whose last run failed")]
Corrupt = Annotated[
    bool, typer.Option("--corrupt", help="cells whose file is damaged, or failed its checks")
]
Stale = Annotated[
    bool, typer.Option("--stale", help="cells made by older code, or from what has changed since")
]
Deep = Annotated[
    bool, typer.Option("--deep", help="read every byte of every file to find what is corrupt")
]
Most = Annotated[int, typer.Option("--max", min=0, help="at most this many cells; 0 is all")]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="only cells of this model; may be repeated")
]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option("--benchmark", help="only these, gsm8k or gsm8k-8shot; may be repeated"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def selection_of(
    named: Mapping[str, bool],
    models: list[str] | None,
    benchmarks: list[str] | None,
    *,
    most: int,
    is_deep: bool,
) -> PlanSelection:
    """The selection that options name; all troubles when none is named."""
    kinds: tuple[Kind, ...] = tuple(kind for kind in KINDS if named[kind])
    return PlanSelection(kinds, tuple(models or ()), tuple(benchmarks or ()), most, is_deep)
