"""Drives the platform from a terminal: demo, ui, check, backfill.

`quarry demo` and its sisters run this file. It is the one script that loads `definitions`; what a
command does with them lives in `sensors.launcher`, what it prints lives here.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from sensors.launcher import Outcome

ROOT = Path(__file__).resolve().parent
console = Console(stderr=True, highlight=False)
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _prepare_instance() -> Path:
    """Make the Dagster instance's directory, with settings, unless the user has one already."""
    # spinning idle threads made a step ten times slower on busy cores; torch reads it on import
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    deployment = os.environ.get("QUARRY_DEPLOYMENT", "demo")
    home = Path(
        os.environ.setdefault("DAGSTER_HOME", str(ROOT / ".quarry" / deployment / "dagster"))
    )
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    return home


class _Platform:
    """Definitions, grid, catalog and launcher of the current deployment, loaded once."""

    def __init__(self) -> None:
        """Load the definitions; takes about two seconds."""
        _prepare_instance()
        sys.path.insert(0, str(ROOT))
        import dagster as dg

        import definitions
        from assets.partitions import build_grid
        from quarry.catalog import load_catalog
        from sensors.launcher import Launcher

        self.deployment = definitions.current_deployment()
        self.catalog = load_catalog(self.deployment.catalog)
        grid = build_grid(self.catalog)
        self.launcher = Launcher(definitions.defs, grid, dg.DagsterInstance.get())
        self.cells = [key.partition for key in self.catalog.cells()]


def _show(outcomes: Iterable[Outcome], title: str, total: int) -> list[Outcome]:
    """Run and print one line a run, with its time; returns the failed ones."""
    failed: list[Outcome] = []
    started = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        if done == 1:
            console.print(f"[bold]{title}[/bold]")
        elapsed_s, started = time.monotonic() - started, time.monotonic()
        mark = "[green]ok[/green]    " if outcome.is_success else "[red]failed[/red]"
        console.print(f"  {mark} {outcome.partition:<32} {elapsed_s:6.1f} s   ({done}/{total})")
        if not outcome.is_success:
            failed.append(outcome)
            reason = textwrap.indent(outcome.reason, " " * 9)
            console.print(reason, style="red", markup=False, soft_wrap=True)
    return failed


def _prepare(platform: _Platform, *, only_missing: bool) -> bool:
    """Draw samples and train what can be trained; whether all went well."""
    launcher, catalog = platform.launcher, platform.catalog
    benchmarks = len(catalog.benchmarks) * len(catalog.shots)
    return not _show(
        launcher.samples(only_missing=only_missing), "Drawing samples", benchmarks
    ) and not _show(
        launcher.checkpoints(only_missing=only_missing), "Training models", len(catalog.models)
    )


def _stop(started: float) -> typer.Exit:
    """The end of a command that failed."""
    console.print(f"[red]stopped after {time.monotonic() - started:.0f} s[/red]: see above")
    return typer.Exit(1)


def _print_audit(platform: _Platform, as_json: bool) -> None:
    """Materialise the audit and print it: tables for people, or one JSON document."""
    platform.launcher.audit()
    audit = platform.deployment.data_dir / "audit" / "audit.md"
    sys.stdout.write(audit.with_suffix(".json" if as_json else ".md").read_text(encoding="utf-8"))
    console.print(f"as a page: {audit.with_suffix('.html')}", soft_wrap=True)


JsonOption = Annotated[bool, typer.Option("--json", help="print the audit as one JSON document")]


@app.command()
def demo(as_json: JsonOption = False) -> None:
    """Train the toy models, collect, verify and label all cells, print the audit."""
    started = time.monotonic()
    platform = _Platform()
    if not _prepare(platform, only_missing=False):
        raise _stop(started)
    failed = _show(platform.launcher.cells(platform.cells), "Collecting", len(platform.cells))
    platform.launcher.roll_up()
    _print_audit(platform, as_json)
    if failed:
        raise _stop(started)
    seconds = time.monotonic() - started
    console.print(f"{seconds:.0f} s. `make ui` opens the Dagster UI on this grid.")


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Verify every collected cell, mark the damaged ones as failed, print the audit."""
    platform = _Platform()
    cells = [cell for cell in platform.cells if cell in platform.launcher.collected()]
    failed = _show(platform.launcher.verify(cells), "Verifying", len(cells))
    marked = platform.launcher.mark_damaged()
    platform.launcher.roll_up()
    _print_audit(platform, as_json)
    if marked:
        console.print(
            f"{len(marked)} cells marked failed; `quarry backfill --failed` restores them"
        )
    raise typer.Exit(1 if failed else 0)


@app.command()
def backfill(
    missing: Annotated[bool, typer.Option(help="cells without a file")] = False,
    failed: Annotated[bool, typer.Option(help="cells whose last run failed")] = False,
    corrupt: Annotated[bool, typer.Option(help="cells whose file does not verify")] = False,
    most: Annotated[int, typer.Option("--max", help="at most this many cells; 0 is all")] = 0,
    dry_run: Annotated[bool, typer.Option(help="only print what would run")] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect the cells that are missing, failed or corrupt; all three when none is named."""
    platform = _Platform()
    wanted = _wanted(platform, missing, failed, corrupt)
    wanted = wanted[:most] if most else wanted
    hours = len(wanted) * platform.catalog.effort.collect_gpu_hours
    console.print(
        f"{len(wanted)} of {len(platform.cells)} cells to collect, about {hours:g} GPU hours"
    )
    for partition, reason in wanted:
        console.print(f"  {partition:<32} {reason}", markup=False, soft_wrap=True)
    if dry_run or not wanted:
        return
    started = time.monotonic()
    if not _prepare(platform, only_missing=True):
        raise _stop(started)
    cells = [partition for partition, _ in wanted]
    bad = _show(platform.launcher.cells(cells), "Collecting", len(cells))
    platform.launcher.roll_up()
    _print_audit(platform, as_json)
    raise typer.Exit(1 if bad else 0)


def _wanted(
    platform: _Platform, missing: bool, failed: bool, corrupt: bool
) -> list[tuple[str, str]]:
    """Cells to collect with the reason, in the order of the grid."""
    from quarry.audit.survey import survey

    every = not (missing or failed or corrupt)
    level = "full" if corrupt or every else "light"
    audit = survey(platform.catalog, platform.deployment.data_dir, level=level)
    reasons: dict[str, str] = {}
    for cell in audit.cells:
        if (missing or every) and cell.status == "MISSING":
            reasons[cell.key.partition] = "missing"
        if (corrupt or every) and cell.status == "CORRUPTED":
            reasons[cell.key.partition] = f"corrupt: {cell.findings[0].what}"
    if failed or every:
        for partition in platform.launcher.failed():
            reasons.setdefault(partition, "its last run failed")
    return [(cell, reasons[cell]) for cell in platform.cells if cell in reasons]


@app.command()
def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 3000) -> None:
    """Open the Dagster UI and its daemon on the current deployment; Ctrl-C ends both."""
    _prepare_instance()
    console.print(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    dagster = Path(sys.executable).with_name("dagster")
    os.chdir(ROOT)
    os.execv(dagster, [str(dagster), "dev", "-w", "workspace.yaml", "-p", str(port)])


def main() -> None:
    """Run a command; an error of the core ends in its message, without a traceback."""
    from quarry.errors import QuarryError

    try:
        app()
    except QuarryError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
