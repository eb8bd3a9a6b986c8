"""`heal` and `inventory`: what is wrong with the grid and its second copies, and mending it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import console, show
from commands.platform import Platform
from quarry.errors import UsageError
from quarry.size_text import size_text

if TYPE_CHECKING:
    from quarry.healing.plan import HealPlan
    from quarry.storage.inventory import Inventory

_MOST_ROUNDS = 5
"""A failed step may show that the next rung of the ladder is due; a later round takes it."""

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def heal(
    apply: Annotated[
        bool, typer.Option("--apply/--plan", help="do it, or only say what is due (default)")
    ] = False,
    most: Annotated[
        int, typer.Option("--max", min=0, help="at most this many steps; 0 is all")
    ] = 0,
    clear: Annotated[
        list[str] | None,
        typer.Option(help="a cell that was given up, such as 'gsm8k-0shot|demo_base': try again"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Restore, copy or collect what is damaged or missing, the cheapest sound way.

    Acts on what checks have found, and on files that are missing or cut; `quarry check` before it
    examines every byte. Exit code 1 while something is left to do.
    """
    platform = Platform()
    _clear(platform, clear or [])
    if apply:
        _verify_unverified(platform)
    plan = _explained_plan(platform)
    done = 0
    for _ in range(_MOST_ROUNDS if apply else 0):
        steps = plan.steps[: most - done] if most else plan.steps
        if not steps:
            break
        show((platform.launcher.heal(step) for step in steps), "Healing", len(steps))
        done += len(steps)
        plan = _explained_plan(platform)
    if done:
        platform.launcher.roll_up()
    if as_json:
        sys.stdout.write(json.dumps({"steps_done": done, **plan.as_dict()}, indent=2) + "\n")
    raise typer.Exit(1 if plan.steps or plan.waiting or plan.stopped else 0)


def inventory(
    sweep_days: Annotated[
        float | None,
        typer.Option("--sweep-days", help="remove unfinished uploads begun so many days ago"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the object store with the grid: matching, missing, different, orphaned, unfinished.

    Reads the store's listing only. Exit code 1 unless every file here has its copy.
    """
    from quarry.storage.inventory import take_inventory

    platform = Platform()
    resource = platform.store
    if not resource.is_configured:
        raise _no_store()
    store, directory = resource.open(), platform.directory
    if sweep_days is not None:
        older_than = datetime.now(UTC) - timedelta(days=sweep_days)
        for upload in store.sweep_unfinished(older_than, "trajectories/"):
            console.print(f"removed unfinished upload of {upload.name}", soft_wrap=True)
    names = directory.files_by_object(platform.catalog.cells())
    found = take_inventory(names, store, ledger=resource.ledger())
    if as_json:
        sys.stdout.write(json.dumps({"store": str(store), **found.as_dict()}, indent=2) + "\n")
    else:
        _print_inventory(str(store), found)
    raise typer.Exit(0 if set(found.counts()) <= {"matching", "absent"} else 1)


def _print_inventory(store: str, found: Inventory) -> None:
    """Counts, costs, and a line for everything that is not matching."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found.counts().items()))
    lines = [
        f"{store}: {counts or 'nothing'}; {len(found.unfinished)} unfinished uploads",
        f"{size_text(found.stored_bytes)} stored, about {found.monthly_cost():.2f} USD a month; "
        f"{size_text(found.fetch_bytes)} only there, about {found.egress_cost():.2f} USD to fetch",
    ]
    lines += [
        f"  {entry.state:<12} {entry.name}  ({size_text(entry.size_bytes)})"
        for entry in found.entries
        if entry.state not in {"matching", "absent"}
    ]
    lines += [
        f"  unfinished   {one.name}  (since {one.started_at:%Y-%m-%d %H:%M} UTC)"
        for one in found.unfinished
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _explained_plan(platform: Platform) -> HealPlan:
    """What is due now, told on the terminal."""
    from sensors.healing import heal_plan

    plan, health = heal_plan(
        *platform.healing_inputs, is_automated=platform.deployment.is_automated
    )
    text = "\n".join([plan.explanation(), *health.remarks()])
    console.print(text, markup=False, soft_wrap=True)
    return plan


def _verify_unverified(platform: Platform) -> None:
    """Have files looked at that no check has looked at; healing passes them over else."""
    from sensors.healing import heal_plan

    _, health = heal_plan(*platform.healing_inputs, is_automated=platform.deployment.is_automated)
    cells = [cell.key.partition for cell in health.unverified()]
    show(platform.launcher.verify(cells), "Verifying", len(cells))


def _clear(platform: Platform, cells: list[str]) -> None:
    """Let healing try cells again that it gave up."""
    from assets.partitions import require_cells
    from sensors.attempts import clear

    require_cells(cells, platform.cells, where="--clear")
    for cell in cells:
        if not clear(platform.instance, cell):
            console.print(f"{cell}: nothing to clear, no attempt has ended", soft_wrap=True)


def _no_store() -> UsageError:
    """The error where there is nothing to take stock of."""
    return UsageError(
        "There is no object store",
        where="QUARRY_STORE",
        expected="a directory, or b2://<bucket>",
        got="off",
        fix="set QUARRY_STORE, and QUARRY_B2_KEY_ID and QUARRY_B2_KEY for a bucket",
    )
