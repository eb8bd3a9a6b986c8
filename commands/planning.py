"""`plan`: what is due over the grid, why, and what it costs; nothing is done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from commands.plan_options import (
    AsJson,
    Benchmarks,
    Corrupt,
    Deep,
    Failed,
    Missing,
    Models,
    Most,
    Stale,
    selection_of,
)
from commands.platform import Platform, console
from quarry.costs.span import amount_text
from quarry.size_text import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarry.planning.plan import BackfillPlan, LeftOut, PlanRow
    from quarry.planning.selection import PlanSelection

_MOST_ROWS, _MOST_LEFT_OUT = 200, 20
_WIDE = 200


def plan(
    missing: Missing = False,
    failed: Failed = False,
    corrupt: Corrupt = False,
    stale: Stale = False,
    deep: Deep = False,
    most: Most = 0,
    models: Models = None,
    benchmarks: Benchmarks = None,
    as_json: AsJson = False,
) -> None:
    """Say which cells are missing, failed, corrupt or stale, and what making them would cost.

    All four when none is named, but for intact files that are merely stale: collecting these anew
    takes `--stale` by name. Nothing is launched: `backfill` with the same options does it.
    """
    named = {"missing": missing, "failed": failed, "corrupt": corrupt, "stale": stale}
    selection = selection_of(named, models, benchmarks, most=most, is_deep=deep)
    found = plan_of(Platform(), selection)
    if as_json:
        sys.stdout.write(json.dumps(found.as_dict(), indent=2) + "\n")
    else:
        print_plan(found, _stdout())


def plan_of(platform: Platform, selection: PlanSelection) -> BackfillPlan:
    """What is due now.

    Raises:
        UnknownNameError: a model or benchmark is not in the catalog.
    """
    from quarry.planning.making import make_plan
    from sensors.known_grid import known_grid

    selection.cells(platform.catalog)  # a wrong name is refused before anything is read
    known = known_grid(
        platform.instance,
        platform.graph,
        platform.grid,
        has_store=platform.store.is_configured,
        with_stale=selection.wants("stale"),
    )
    return make_plan(platform.catalog, platform.directory, known, selection)


def print_plan(found: BackfillPlan, to: Console) -> None:
    """The plan for a person."""
    to.print(f"{len(found.rows)} of {found.n_cells} cells are due: {found.title}")
    if found.rows:
        to.print(_table(found))
        to.print(f"About {_total(found)}", markup=False)
    for one in found.prerequisites:
        to.print(f"First: {one.asset} of {one.partition}", markup=False)
    _print_left_out(found, to)
    if found.selection.wants("corrupt") and not found.selection.is_deep:
        to.print("Corrupt is what checks and sizes say; --deep reads every byte.")
    if found.remark:
        to.print(found.remark, markup=False)


def _print_left_out(found: BackfillPlan, to: Console) -> None:
    """What is not done now, and why."""
    if not found.left_out:
        return
    to.print(f"{len(found.left_out)} cells are left out:")
    _print_cells(found.left_out, to)


def print_passed(left_out: Sequence[LeftOut], to: Console) -> None:
    """What was planned and is not done all the same."""
    if left_out:
        to.print(f"{len(left_out)} cells are left out after all:")
        _print_cells(left_out, to)


def _print_cells(left_out: Sequence[LeftOut], to: Console) -> None:
    for one in left_out[:_MOST_LEFT_OUT]:
        to.print(f"  {one.partition:<32} {one.why}", markup=False)
    if (n_more := len(left_out) - _MOST_LEFT_OUT) > 0:
        to.print(f"  and {n_more} more; --json lists all")


def _table(found: BackfillPlan) -> Table:
    """One line a cell."""
    # a name that is cut or broken can't be copied into the next command
    others = ("action", "why", "GPU hours", "bytes", "told from")
    table = Table(Column("cell", no_wrap=True), *(Column(name, overflow="fold") for name in others))
    for row in found.rows[:_MOST_ROWS]:
        table.add_row(*map(_plain, _columns(row, found.price)))
    if (n_more := len(found.rows) - _MOST_ROWS) > 0:
        table.add_row(f"and {n_more} more; --json lists all")
    return table


def _columns(row: PlanRow, price: float | None) -> tuple[str, ...]:
    """What a line says."""
    if row.estimate is None:
        hours = f"none; {amount_text(row.cpu_hours)} CPU" if row.cpu_hours else "none"
        return row.partition, row.action, row.why, hours, "", ""
    hours = row.estimate.gpu_hours.text
    if price is not None:
        hours += f", ${row.estimate.gpu_hours.times(price).text}"
    written = size_text(round(row.written.likely)) if row.written else "unknown"
    return row.partition, row.action, row.why, hours, written, row.estimate.basis


def _total(found: BackfillPlan) -> str:
    """All costs in a line."""
    parts = [found.total.text + (f" ({found.total.basis})" if found.total.n_cells else "")]
    if found.written.likely:
        parts.append(f"{size_text(round(found.written.likely))} to be written")
    if found.n_of_unknown_size:
        parts.append(f"the size of {found.n_of_unknown_size} cells is not known")
    if found.cpu_hours:
        parts.append(f"{amount_text(found.cpu_hours)} CPU hours for labels")
    return ", ".join(parts)


def _plain(text: str) -> str:
    """Text whose brackets are no markup."""
    return text.replace("[", "\\[")


def _stdout() -> Console:
    """Standard output, wide where it is no terminal, so that nothing is cut off."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE, soft_wrap=True)


def messages() -> Console:
    """Standard error, likewise."""
    return console if console.is_terminal else Console(stderr=True, highlight=False, width=_WIDE)
