"""`demo`: collecting the whole grid, and what is lacking of it."""

from __future__ import annotations

import time

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
    if not _prepare(platform):
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


def collect_missing(platform: Platform) -> bool:
    """Collect what is missing of the whole grid; whether all of it is there."""
    from commands.backfilling import planned
    from commands.running_here import RunningHere
    from quarry.planning.selection import PlanSelection

    plan, meanwhile = planned(platform, PlanSelection(("missing",)))
    return not plan.rows or not RunningHere(platform, plan, meanwhile).run()


def _prepare(platform: Platform) -> bool:
    """Draw samples and train what can be trained; whether all went well."""
    launcher, catalog = platform.launcher, platform.catalog
    benchmarks = len(catalog.benchmarks) * len(catalog.shots)
    n_models = len(catalog.models) if any(one.recipe for one in catalog.models.values()) else 0
    return not show(launcher.samples(), "Drawing samples", benchmarks) and not show(
        launcher.checkpoints(), "Training models", n_models
    )
