"""`demo` and `backfill`: collecting the whole grid, or what is lacking of it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from commands.evaluation import make_sets, print_rates
from commands.necessity import choose_datasets
from commands.output import JsonOption, console, print_audit, show, stop
from commands.platform import Platform


def demo(as_json: JsonOption = False) -> None:
    """Train the toy models, collect, verify and label all cells, make datasets, print the audit.

    What the catalog says of `reasoning` and `evaluation` is done behind the grid.
    """
    started = time.monotonic()
    platform = Platform()
    if not _prepare(platform, only_missing=False):
        raise stop(started)
    failed = show(platform.launcher.cells(platform.cells), "Collecting", len(platform.cells))
    platform.launcher.roll_up()
    if platform.catalog.reasoning is not None and not choose_datasets(platform, []):
        raise stop(started)
    if platform.catalog.evaluation is not None:
        if not make_sets(platform):
            raise stop(started)
        if not as_json:
            print_rates(platform)
    print_audit(platform, as_json)
    if failed:
        raise stop(started)
    seconds = time.monotonic() - started
    console.print(f"{seconds:.0f} s. `make ui` opens the Dagster UI on this grid.")


def backfill(
    missing: Annotated[bool, typer.Option(help="cells without a file")] = False,
    failed: Annotated[bool, typer.Option(help="cells whose last run failed")] = False,
    corrupt: Annotated[bool, typer.Option(help="cells whose file does not verify")] = False,
    most: Annotated[int, typer.Option("--max", help="at most this many cells; 0 is all")] = 0,
    dry_run: Annotated[bool, typer.Option(help="only print what would run")] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect the cells that are missing, failed or corrupt; all three when none is named."""
    platform = Platform()
    wanted = _wanted(platform, missing, failed, corrupt)
    wanted = wanted[:most] if most else wanted
    console.print(f"{len(wanted)} of {len(platform.cells)} cells to collect")
    if wanted:
        console.print(f"About {_cost(platform, [cell for cell, _ in wanted])}")
    for partition, reason in wanted:
        console.print(f"  {partition:<32} {reason}", markup=False, soft_wrap=True)
    if dry_run or not wanted:
        return
    started = time.monotonic()
    if not _prepare(platform, only_missing=True):
        raise stop(started)
    cells = [partition for partition, _ in wanted]
    bad = show(platform.launcher.cells(cells), "Collecting", len(cells))
    platform.launcher.roll_up()
    print_audit(platform, as_json)
    raise typer.Exit(1 if bad else 0)


def _cost(platform: Platform, cells: list[str]) -> str:
    """What collecting cells will probably cost, and what that is told from."""
    from quarry.costs.grid import GridCosts
    from quarry.costs.total import total_of
    from quarry.keys import TrajectoryKey

    costs = GridCosts(platform.catalog, platform.deployment.data_dir)
    estimates = [costs.of(TrajectoryKey.from_partition(cell)) for cell in cells]
    total = total_of(estimates, platform.catalog.effort.gpu_hour_price)
    return f"{total.text} ({total.basis}). {costs.remark}".rstrip()


def collect_missing(platform: Platform) -> bool:
    """Collect what is missing of the whole grid; whether all of it is there."""
    wanted = [cell for cell, _ in _wanted(platform, True, False, False)]
    if not wanted:
        return True
    return _prepare(platform, only_missing=True) and not show(
        platform.launcher.cells(wanted), "Collecting", len(wanted)
    )


def _wanted(
    platform: Platform, missing: bool, failed: bool, corrupt: bool
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
            reasons[cell.key.partition] = f"corrupt: {cell.note}"
    if failed or every:
        for partition in platform.launcher.failed():
            reasons.setdefault(partition, "its last run failed")
    return [(cell, reasons[cell]) for cell in platform.cells if cell in reasons]


def _prepare(platform: Platform, *, only_missing: bool) -> bool:
    """Draw samples and train what can be trained; whether all went well."""
    launcher, catalog = platform.launcher, platform.catalog
    benchmarks = len(catalog.benchmarks) * len(catalog.shots)
    return not show(
        launcher.samples(only_missing=only_missing), "Drawing samples", benchmarks
    ) and not show(
        launcher.checkpoints(only_missing=only_missing), "Training models", len(catalog.models)
    )
