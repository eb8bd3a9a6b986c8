"""Following backfills of the running Dagster on the terminal until they are over."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

import typer

from commands.daemon import is_daemon_silent
from commands.output import console
from quarry.cli.output import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dagster import DagsterInstance

    from sensors.backfill_watch import Standing
    from sensors.launcher import Outcome

_LOOK_S = 2.0
_SILENT_LOOKS = 30
"""After so many silent looks in a row, a minute awake, the daemon has ended: after the sleep of a
laptop, its heartbeats are as old as the first look that this process takes."""


def follow(
    instance: DagsterInstance, backfills: Mapping[str, str], cells: Collection[str]
) -> list[Outcome]:
    """Tell how backfills go on, a line a cell, until they are over; what failed.

    Args:
        instance: where they are recorded.
        backfills: addresses by id.
        cells: partition keys of their cells.

    Raises:
        typer.Exit: the user stopped following, or the daemon has ended, with `INTERRUPTED`: cells
            may be made all the same.
    """
    from sensors.backfill_watch import BackfillWatch

    watch, started = BackfillWatch(instance, list(backfills), cells), time.monotonic()
    n_silent = 0
    try:
        console.print("[bold]Following[/bold] (Ctrl-C stops following, not the backfill)")
        while not (standing := watch.look()).is_over:
            _tell(standing, len(cells), time.monotonic() - started)
            n_silent = n_silent + 1 if is_daemon_silent(instance) else 0
            if n_silent >= _SILENT_LOOKS:
                raise _left(backfills, "Dagster's daemon has ended; when `make ui` runs again,")
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        raise _left(backfills, "Not followed any more;") from None
    _tell(standing, len(cells), time.monotonic() - started)
    console.print(f"{standing.n_done} of {len(cells)} cells are made, {standing.n_failed} failed")
    return watch.failures()


def _tell(standing: Standing, total: int, elapsed_s: float) -> None:
    """One line for each run that has ended since."""
    over = standing.n_done + standing.n_failed
    left = standing.n_running + standing.n_left
    rest = f", about {_duration(elapsed_s / over * left)} left" if over and left else ""
    for outcome, seconds in standing.ended:
        mark = "[green]ok[/green]    " if outcome.is_success else "[red]failed[/red]"
        line = f"  {mark} {outcome.partition:<32} {seconds:6.1f} s   ({over}/{total}{rest})"
        console.print(line, soft_wrap=True)
        if not outcome.is_success:
            reason = textwrap.indent(outcome.reason, " " * 9)
            console.print(reason, style="red", markup=False, soft_wrap=True)


def _left(backfills: Mapping[str, str], why: str) -> typer.Exit:
    """The end of following what is not over."""
    addresses = ", ".join(backfills.values())
    console.print(f"{why} the backfill goes on: {addresses}", markup=False, soft_wrap=True)
    return typer.Exit(INTERRUPTED)


def _duration(seconds: float) -> str:
    """A time for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
