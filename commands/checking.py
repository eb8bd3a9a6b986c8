"""`check`: verifying the grid."""

from __future__ import annotations

import typer

from commands.output import JsonOption, console, print_audit, show
from commands.platform import Platform


def check(as_json: JsonOption = False) -> None:
    """Verify every collected cell, mark the damaged ones as failed, print the audit."""
    platform = Platform()
    cells = [cell for cell in platform.cells if cell in platform.launcher.collected()]
    failed = show(platform.launcher.verify(cells), "Verifying", len(cells))
    marked = platform.launcher.mark_damaged()
    platform.launcher.roll_up()
    print_audit(platform, as_json)
    if marked:
        console.print(
            f"{len(marked)} cells marked failed; `quarry backfill --failed` restores them"
        )
    raise typer.Exit(1 if failed else 0)
