"""`relabel`: grading stored outputs again, and what that moved."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.output import console, show
from commands.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.relabelling_plan import CellPlan

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def relabel(
    cells: Annotated[
        list[str] | None,
        typer.Option("--cell", help="a cell such as 'gsm8k-0shot|demo_base'; may be repeated"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="grade those again whose labels are current, too")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="only say what is due and why")] = False,
    as_json: JsonOption = False,
) -> None:
    """Grade the stored outputs of cells whose labels are missing or out of date.

    One run, whatever the number of cells; activations are not touched, and what was done is kept
    when it is interrupted. Exit code 1 while something is left to do.
    """
    platform = Platform()
    named = cells or []
    plans = _plans(platform, named, every=every)
    _explain(plans)
    left, has_failed = plans, False
    if not plan and any(one.steps for one in plans):
        # begins when it is asked for, so that its time is told
        runs = (platform.launcher.relabel(named, every=every) for _ in range(1))
        has_failed = bool(show(runs, "Relabelling", 1))
        left = _plans(platform, named, every=False)
    changes = {} if plan else _changes(platform, [one for one in plans if "grade" in one.steps])
    if as_json:
        document = {"plan": [one.as_dict() for one in plans], "changes": changes}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        for cell, figures in changes.items():
            sys.stdout.write(f"{cell:<32} {figures['sentence']}\n")
    raise typer.Exit(1 if has_failed or any(one.steps or one.is_blocked for one in left) else 0)


def _plans(platform: Platform, cells: Sequence[str], *, every: bool) -> list[CellPlan]:
    """What is due now."""
    from assets.relabelling_plan import plan_cells

    return plan_cells(
        platform.instance,
        platform.directory,
        platform.grid,
        cells,
        every=every,
        has_store=platform.store.is_configured,
    )


def _explain(plans: Sequence[CellPlan]) -> None:
    """Say on the terminal what is due."""
    due = sum(bool(one.steps) for one in plans)
    console.print(f"{due} of {len(plans)} cells have something due")
    for one in plans:
        if one.labelling != "current" or one.steps:
            console.print(f"  {one.partition:<32} {one.sentence()}", markup=False, soft_wrap=True)


def _changes(platform: Platform, plans: Sequence[CellPlan]) -> dict[str, dict[str, Any]]:
    """What moved in cells that were graded again; none of those that could not be."""
    from quarry.label_changes import comparison_of
    from quarry.tables import read_table

    found: dict[str, dict[str, Any]] = {}
    for one in plans:
        path = platform.directory.changes(one.key)
        if path.exists():
            figures = comparison_of(read_table(path))
            found[one.partition] = {**figures.as_dict(), "sentence": figures.sentence()}
    return found
