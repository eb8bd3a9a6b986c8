"""`backfill`: making what a plan names, through the Dagster that runs, or in this process."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.following import follow
from commands.output import console, print_audit, show
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
from commands.planning import messages, plan_of, print_plan
from commands.platform import Platform
from quarry.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.graphql import GraphQL
    from quarry.planning.plan import BackfillPlan
    from sensors.launcher import Outcome

_NO_UI = "No Dagster UI runs on this instance, so it is done in this process; with `make ui` "


@dataclass(frozen=True)
class Result:
    """What became of a plan.

    Args:
        backfills: id and address of each backfill; empty for what this process has done.
        failed: what was not made, and why; None where nobody waited for it.
    """

    backfills: dict[str, str]
    failed: Sequence[Outcome] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        backfills = [{"id": one, "url": url} for one, url in self.backfills.items()]
        failed = None if self.failed is None else [asdict(one) for one in self.failed]
        return {"backfills": backfills, "failed": failed}


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
    stops following and not the backfill. Exit code 1 if cells failed.
    """
    named = {"missing": missing, "failed": failed, "corrupt": corrupt, "stale": stale}
    selection = selection_of(named, models, benchmarks, most=most, is_deep=deep)
    platform = Platform()
    server = None if here or dry_run else _server(platform, url)
    found = plan_of(platform, selection)
    print_plan(found, messages())
    result = Result({}, [])
    if found.rows and not dry_run:
        result = _made(platform, found, server, wait=wait, is_here=here)
        if result.failed is not None:
            _close(platform, as_json=as_json)
    if as_json:
        document = {"plan": found.as_dict(), **result.as_dict()}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    raise typer.Exit(1 if result.failed else 0)


def _server(platform: Platform, url: str) -> GraphQL | None:
    """The web server of this instance, if one runs."""
    from commands.running_ui import find_server

    deployment = platform.deployment
    return find_server(
        platform.instance,
        platform.home,
        url,
        data_dir=deployment.data_dir,
        catalog=deployment.catalog,
    )


def _made(
    platform: Platform, plan: BackfillPlan, server: GraphQL | None, *, wait: bool, is_here: bool
) -> Result:
    """Do what is due, there or here."""
    if server is not None:
        from commands.running_ui import require_daemon

        require_daemon(platform.instance, server.url)
        backfills = launch(platform, plan, server)
        return Result(
            backfills, follow(platform.instance, backfills, plan.partitions()) if wait else None
        )
    if not wait:
        raise UsageError(
            "There is nobody to leave the work to",
            where="--no-wait",
            expected="a Dagster that runs on this instance",
            got="--here" if is_here else "none",
            fix="start `quarry ui` in another terminal, or leave --no-wait out",
        )
    if not is_here:
        console.print(f"{_NO_UI}it would show there live.", soft_wrap=True)
    return Result({}, run_here(platform, plan))


def launch(platform: Platform, plan: BackfillPlan, server: GraphQL) -> dict[str, str]:
    """Launch a backfill for each action of a plan; their ids and addresses.

    One for each: assets of one backfill that differ in their cells would not share runs.

    Raises:
        QuarryError: the server refuses.
    """
    from sensors.backfills import backfill_params

    launched: dict[str, str] = {}
    for action, part in plan.parts.items():
        params = backfill_params(
            part, action, platform.grid, has_store=platform.store.is_configured
        )
        backfill_id = server.launch_backfill(params)
        launched[backfill_id] = server.backfill_url(backfill_id)
        console.print(f"{params['title']}: {launched[backfill_id]}", markup=False, soft_wrap=True)
    return launched


def run_here(platform: Platform, plan: BackfillPlan) -> list[Outcome]:
    """Do what is due in this process; what failed."""
    launcher, before = platform.launcher, plan.prerequisites
    runs = (launcher.materialise(one.asset, one.partition) for one in before)
    if failed := show(runs, "Samples and models", len(before)):
        return failed
    ways = {"collect": launcher.cells, "label": launcher.labels, "copy": launcher.copy}
    titles = {"collect": "Collecting", "label": "Labelling", "copy": "Copying"}
    for action, part in plan.parts.items():
        cells = part.partitions()
        failed += show(ways[action](cells), titles[action], len(cells))
    launcher.roll_up()
    return failed


def _close(platform: Platform, *, as_json: bool) -> None:
    """Renew the audit, and print it unless something else is printed."""
    if as_json:
        platform.launcher.audit()
    else:
        print_audit(platform, as_json=False)
