"""What commands print: a line a run, the audit, and how a failed command ends."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from commands.platform import console
from quarry.cli.output import emit, emit_markdown

if TYPE_CHECKING:
    from commands.platform import Platform
    from sensors.launcher import Outcome

__all__ = ["JsonOption", "console", "print_audit", "show", "stop"]

JsonOption = Annotated[bool, typer.Option("--json", help="print the audit as one JSON document")]


def show(outcomes: Iterable[Outcome], title: str, total: int) -> list[Outcome]:
    """Run and print one line a run, with its time; returns the failed ones.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; said on the terminal.
    """
    if total:  # before the first run, which may take minutes
        console.print(f"[bold]{title}[/bold]")
    try:
        return _show(outcomes, total)
    except KeyboardInterrupt:
        console.print("interrupted: what is done is kept, and the same command goes on from there")
        raise


def _show(outcomes: Iterable[Outcome], total: int) -> list[Outcome]:
    """A line a run."""
    failed: list[Outcome] = []
    started = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        elapsed_s, started = time.monotonic() - started, time.monotonic()
        mark = "[green]ok[/green]    " if outcome.is_success else "[red]failed[/red]"
        line = f"  {mark} {outcome.partition:<32} {elapsed_s:6.1f} s   ({done}/{total})"
        console.print(line, soft_wrap=True)
        if not outcome.is_success:
            failed.append(outcome)
            reason = textwrap.indent(outcome.reason, " " * 9)
            console.print(reason, style="red", markup=False, soft_wrap=True)
    return failed


def stop(started: float) -> typer.Exit:
    """The end of a command that failed."""
    console.print(f"[red]stopped after {time.monotonic() - started:.0f} s[/red]: see above")
    return typer.Exit(1)


def print_audit(platform: Platform, as_json: bool) -> None:
    """Materialise the audit and print it: tables for people, or one JSON document."""
    platform.launcher.audit()
    audit = platform.deployment.data_dir / "audit" / "audit.md"
    text = audit.with_suffix(".json" if as_json else ".md").read_text(encoding="utf-8")
    (emit if as_json else emit_markdown)(text)
    console.print(f"as a page: {audit.with_suffix('.html')}", soft_wrap=True)
