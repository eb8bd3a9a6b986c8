"""`backfill`: making what a plan names, through the Dagster that runs, or in this process."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.following import follow
from commands.launching import launch
from commands.output import console, print_audit
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
from commands.planning import messages, plan_of, print_passed, print_plan
from commands.platform import Platform
from commands.running_here import RunningHere
from quarry.cli.output import CLEAN, FINDINGS, INTERRUPTED, emit_json
from quarry.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.graphql import GraphQL
    from quarry.planning.plan import BackfillPlan
    from quarry.planning.selection import PlanSelection
    from sensors.launcher import Outcome
    from sensors.meanwhile import Meanwhile

_NO_UI = "No Dagster UI runs on this instance, so it is done in this process; with `make ui` "


@dataclass
class Result:
    """What becomes of a plan, filled in as it goes.

    Args:
        plan: what is due; without what others did meanwhile.
        backfills: addresses by id, of each as soon as it is launched; empty for what this process
            has done.
        failed: what was not made, and why; None where nobody waited to the end.
    """

    plan: BackfillPlan
    backfills: dict[str, str] = field(default_factory=dict[str, str])
    failed: Sequence[Outcome] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        backfills = [{"id": one, "url": url} for one, url in self.backfills.items()]
        failed = None if self.failed is None else [asdict(one) for one in self.failed]
        return {"plan": self.plan.as_dict(), "backfills": backfills, "failed": failed}


def backfill(
    missing: Missing = False,
    failed: Failed = False,
    corrupt: Corrupt = False,
    stale: Stale = False,
    deep: Deep = False,
    most: Most = 0,
    models: Models = None,
    benchmarks: Benchmarks = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only print the plan, as `plan` does")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="follow it until it is over")
    ] = True,
    url: Annotated[
        str, typer.Option(help="address of the Dagster UI; found by itself if `quarry ui` runs")
    ] = "",
    here: Annotated[bool, typer.Option("--here", help="run it in this process")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the cells that are missing, failed, corrupt or stale; all four when none is named.

    Intact files that are merely stale are collected anew only where `--stale` is named.
    Launched through the Dagster UI if it runs, where it shows under Runs > Backfills; Ctrl-C then
    stops following and not the backfill. Exit code 1 if cells failed, 130 if it was not followed to
    the end, 2 if it could not be launched.
    """
    named = {"missing": missing, "failed": failed, "corrupt": corrupt, "stale": stale}
    selection = selection_of(named, models, benchmarks, most=most, is_deep=deep)
    platform = Platform()
    server = None if here or dry_run else _server(platform, url)
    if server is None and not (wait or dry_run):
        raise _nobody("--here" if here else "none")
    found, meanwhile = planned(platform, selection)
    print_plan(found, messages())
    result = Result(found)
    try:
        if found.rows and not dry_run:
            _make(platform, result, meanwhile, server, wait=wait, is_here=here)
        else:
            result.failed = []
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:  # also of what is left half-way, the ids are told
        if as_json:
            emit_json(result.as_dict())
    if found.rows and result.failed is not None and not dry_run:
        _close(platform, as_json=as_json)
    raise typer.Exit(FINDINGS if result.failed else CLEAN)


def planned(platform: Platform, selection: PlanSelection) -> tuple[BackfillPlan, Meanwhile]:
    """What is due now, and what is needed to tell later whether it still is.

    Raises:
        UnknownNameError: a model or benchmark is not in the catalog.
    """
    from sensors.meanwhile import Meanwhile

    meanwhile = Meanwhile(
        platform.instance, platform.graph, platform.grid, has_store=platform.store.is_configured
    )
    return plan_of(platform, selection), meanwhile


def _server(platform: Platform, url: str) -> GraphQL | None:
    """The web server of this instance with its daemon, if one runs."""
    from commands.daemon import require_daemon
    from commands.finding_ui import find_server

    deployment = platform.deployment
    server = find_server(
        platform.instance,
        platform.home,
        url,
        data_dir=deployment.data_dir,
        catalog=deployment.catalog,
    )
    if server is not None:
        require_daemon(platform.instance, server.url)
    return server


def _nobody(got: str) -> UsageError:
    return UsageError(
        "There is nobody to leave the work to",
        where="--no-wait",
        expected="a Dagster that runs on this instance",
        got=got,
        fix="start `quarry ui` in another terminal, or leave --no-wait out",
    )


def _make(
    platform: Platform,
    result: Result,
    meanwhile: Meanwhile,
    server: GraphQL | None,
    *,
    wait: bool,
    is_here: bool,
) -> None:
    """Do what is due, there or here."""
    if server is None:
        if not is_here:
            console.print(f"{_NO_UI}it would show there live.", soft_wrap=True)
        here = RunningHere(platform, result.plan, meanwhile)
        try:
            result.failed = here.run()
        finally:
            result.plan = here.plan
        return
    _launch(platform, result, meanwhile, server)
    if not result.backfills:
        result.failed = []
    elif wait:
        result.failed = follow(platform.instance, result.backfills, result.plan.partitions())


def _launch(platform: Platform, result: Result, meanwhile: Meanwhile, server: GraphQL) -> None:
    """Launch what is still due, unless the server has another grid; one command at a time."""
    from commands.daemon import require_daemon
    from commands.finding_ui import require_same_grid
    from commands.instance_lock import instance_lock

    require_daemon(platform.instance, server.url)  # `--deep` may have taken hours
    with instance_lock(platform.home):
        require_same_grid(server, platform.grid)
        left = meanwhile.still_due(result.plan)
        passed = left.left_out[len(result.plan.left_out) :]
        print_passed(passed, messages())
        result.plan = left
        launch(platform, left, server, result.backfills)


def _close(platform: Platform, *, as_json: bool) -> None:
    """Renew the audit, and print it unless something else is printed."""
    if as_json:
        platform.launcher.audit()
    else:
        print_audit(platform, as_json=False)
