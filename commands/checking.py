"""`check`: verifying the grid."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.output import JsonOption, console, print_audit, show
from commands.platform import Platform
from sensors.launcher import Launcher


def check(
    semantic: Annotated[
        bool, typer.Option("--semantic", help="Run rows through their models again, too.")
    ] = False,
    rows: Annotated[int, typer.Option(min=0, help="Rows of each file; 0 for all.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Verify every collected cell, mark the damaged ones as failed, print the audit.

    With --semantic, rows of each file are compared with what its model gives now.
    """
    platform = Platform()
    cells = [cell for cell in platform.cells if cell in platform.launcher.collected()]
    failed = show(platform.launcher.verify(cells), "Verifying", len(cells))
    marked = platform.launcher.mark_damaged()
    platform.launcher.roll_up()
    is_wrong = semantic and bool(cells) and not hidden_states_agree(platform.launcher, rows)
    print_audit(platform, as_json)
    if marked:
        cells_were, them = ("cell was", "it") if len(marked) == 1 else ("cells were", "them")
        console.print(
            f"{len(marked)} {cells_were} marked failed: `quarry heal --plan` says whether a copy "
            f"mends {them}; `quarry backfill --failed` collects {them} again",
            soft_wrap=True,
        )
    raise typer.Exit(1 if failed or is_wrong else 0)


def hidden_states_agree(launcher: Launcher, rows: int) -> bool:
    """Compare rows of every collected cell with its model; says what is wrong."""
    outcome = launcher.semantics(rows=rows)
    if outcome.reason:
        console.print(f"semantic: {outcome.reason}", markup=False, soft_wrap=True)
    return outcome.is_success and not outcome.reason
