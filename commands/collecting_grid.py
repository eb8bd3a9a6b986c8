"""`collect`: many cells in one run, each model loaded once, then their labels and copies."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.output import console, show
from commands.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.collecting_plan import CollectionStep

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def collect(
    models: Annotated[
        list[str] | None, typer.Option("--model", help="only cells of this model; may be repeated")
    ] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option("--cell", help="a cell such as 'gsm8k-0shot|demo_base'; may be repeated"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="collect those again that are whole, too")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="only say what is due and why")] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect the cells that are missing, failed or damaged in one run, then label and copy them.

    Each model is loaded once for all of its cells. What was done is kept when it is interrupted;
    samples and checkpoints have to be there. Exit code 1 while something is left to do.
    """
    platform, started = Platform(), time.monotonic()
    steps = _steps(platform, cells, models, again=again)
    _explain(steps)
    due, failed = [step.partition for step in steps if step.step], False
    if due and not dry_run:
        runs = (platform.launcher.collect_grid(due, again=again) for _ in range(1))
        failed = bool(show(runs, "Collecting", 1))
    left = steps if dry_run or not due else _steps(platform, cells, models)
    undone = {step.partition for step in left if step.is_left}
    done = [] if dry_run else [cell for cell in due if cell not in undone]
    if not dry_run:
        failed = _follow(platform, [one.partition for one in steps], done) or failed
    cells_word = "cell" if len(done) == 1 else "cells"
    console.print(f"{len(done)} {cells_word} collected in {time.monotonic() - started:.0f} s")
    if as_json:
        document = {"plan": [step.as_dict() for step in steps], "collected": done}
        document["left"] = [step.as_dict() for step in left if step.partition in undone]
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    raise typer.Exit(1 if failed or undone else 0)


def _steps(
    platform: Platform,
    cells: Sequence[str] | None,
    models: Sequence[str] | None,
    *,
    again: bool = False,
) -> list[CollectionStep]:
    """What is due now."""
    from assets.collecting_plan import GridPlanner

    planner = GridPlanner(
        platform.instance,
        platform.catalog,
        platform.directory,
        platform.grid,
        again=again,
        is_store_configured=platform.store.is_configured,
    )
    return planner.steps(cells or [], models or [])


def _explain(steps: Sequence[CollectionStep]) -> None:
    """Say on the terminal what is due."""
    due = sum(step.step is not None for step in steps)
    console.print(f"{due} of {len(steps)} cells have something due")
    for step in steps:
        if step.is_left:
            console.print(f"  {step.partition:<32} {step.sentence()}", markup=False, soft_wrap=True)
    if any(step.is_blocked for step in steps):
        console.print("`quarry backfill --missing` draws samples and trains toy models by itself")


def _follow(platform: Platform, cells: Sequence[str], made: Sequence[str]) -> bool:
    """Label and copy what was made now, or before by a run that was killed; no GPU is used.

    Args:
        platform: the deployment.
        cells: those that were asked for.
        made: those that were collected now.

    Returns:
        Whether something failed.
    """
    launcher, failed = platform.launcher, list[Any]()
    unlabelled = launcher.unlabelled().union(made)
    if labelled := [one for one in cells if one in unlabelled]:
        runs = (launcher.relabel(labelled, every=False) for _ in range(1))
        failed += show(runs, "Labelling", 1)
    uncopied = launcher.uncopied().union(made) if platform.store.is_configured else set[str]()
    if copied := [one for one in cells if one in uncopied]:
        failed += show(launcher.copy(copied), "Copying", len(copied))
    if made:
        launcher.roll_up()
    return bool(failed)
