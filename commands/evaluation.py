"""`evaluate`: from fine-tuned checkpoints to graded evaluation sets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import console, show
from commands.platform import Platform
from quarry.cli.output import emit_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence


def evaluate(
    run: Annotated[
        list[str] | None, typer.Option(help="only this run, or run@checkpoint; repeatable")
    ] = None,
    again: Annotated[
        bool, typer.Option(help="sample and grade all again, not only what is lacking or stale")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="only print what would be made")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Make what is missing, failed or stale: train toy runs, sample, grade, build the sets.

    Runs are those of the catalog and of the outputs folder. Interrupted sampling goes on where it
    stopped, and nothing is paid for twice. Exit code 0 when every set is there and its checks pass,
    1 when something failed, 2 on wrong use.
    """
    platform = Platform()
    chosen = _chosen(platform, run or [])
    is_done = make_sets(platform, chosen, again=again, dry_run=dry_run)
    if dry_run:
        raise typer.Exit(0)
    print_rates(platform, chosen, as_json=as_json)
    has_failures = print_failed_checks(platform, chosen)
    raise typer.Exit(0 if is_done and not has_failures else 1)


def make_sets(
    platform: Platform,
    partitions: Sequence[str] | None = None,
    *,
    again: bool = False,
    dry_run: bool = False,
) -> bool:
    """Make what is lacking of checkpoints, of all by default; whether all went well."""
    launcher = platform.evaluation()
    names = launcher.checkpoints() if partitions is None else list(partitions)
    wanted = launcher.lacking(names, again=again)
    console.print(f"{len(wanted)} partitions to make, of {len(names)} checkpoints")
    if dry_run:
        for asset, partition in wanted:
            console.print(f"  {asset} {partition}", markup=False)
        return True
    return not show(launcher.make(wanted, again=again), "Evaluation sets", len(wanted))


def print_failed_checks(platform: Platform, partitions: Sequence[str]) -> bool:
    """Name the checks that fail on what was made of checkpoints; whether there are any."""
    failed = platform.evaluation().failed_checks(partitions)
    for partition, names in failed.items():
        line = f"check fails: {partition} {', '.join(names)}"
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    if failed:
        console.print("`make ui` shows on the asset's page what each check found and what to do")
    return bool(failed)


def print_rates(
    platform: Platform, partitions: Sequence[str] | None = None, *, as_json: bool = False
) -> None:
    """The table of equivalence rates of sets, of all by default."""
    from quarry.audit.tables import markdown_table
    from quarry.evaluation_sets.rate_table import HEADER, rate_facts, rate_rows, read_descriptions
    from quarry.sampling.keys import SampledKey

    names = platform.evaluation().checkpoints() if partitions is None else partitions
    keys = [SampledKey.from_partition(name) for name in names]
    sets = read_descriptions(platform.directory, keys)
    if as_json:
        sys.stdout.write(json.dumps(rate_facts(sets), indent=1) + "\n")
    elif sets:
        emit_markdown(markdown_table(HEADER, rate_rows(sets)))


def _chosen(platform: Platform, runs: Sequence[str]) -> list[str]:
    """The partitions of runs, or all.

    Raises:
        UnknownNameError: there is no such run.
    """
    from quarry.errors import UnknownNameError

    known = platform.evaluation().checkpoints()
    chosen = [one for one in known if not runs or one in runs or one.split("@")[0] in runs]
    absent = [name for name in runs if name not in {*known, *(one.split("@")[0] for one in known)}]
    if absent:
        raise UnknownNameError(
            "A run is neither in the catalog nor in the outputs folder",
            where="--run",
            expected=f"one of {', '.join(known) or 'none: there are no runs yet'}",
            got=", ".join(absent),
            fix="correct the name; `watch_runs` in the UI says which folders are left out, and why",
        )
    return chosen
