"""`necessity`: test which problems need a chain of thought, and choose the datasets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.output import console, show
from commands.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence


def necessity(
    model: Annotated[
        list[str] | None, typer.Option(help="only this model of reasoning.models; repeatable")
    ] = None,
    again: Annotated[
        bool, typer.Option(help="test all shards again, not only lacking ones")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="only print what would run")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Test the shards that are missing or failed, then choose the stratified datasets.

    An interrupted shard goes on where it stopped. Exit code 0 when all is done and every dataset
    meets its targets, 1 when something failed or is short, 2 on wrong use.
    """
    platform = Platform()
    is_done = choose_datasets(platform, model or [], again=again, dry_run=dry_run)
    document = summary(platform, model or [])
    if as_json:
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    is_met = all(target["is_met"] for target in document["datasets"].values())
    raise typer.Exit(0 if dry_run or (is_done and is_met) else 1)


def choose_datasets(
    platform: Platform, models: Sequence[str], *, again: bool = False, dry_run: bool = False
) -> bool:
    """Do what is lacking, all of it for no `models`; whether all went well."""
    from quarry.necessity.opening import method_spec

    for name in models:
        method_spec(platform.catalog, name)
    launcher = platform.reasoning()
    names = list(models) or list(platform.catalog.reasoning_spec().models)
    shards = launcher.every(names) if again else launcher.lacking(names)
    console.print(f"{len(shards)} shards of {', '.join(names)} to test")
    if dry_run:
        for shard in shards:
            console.print(f"  {shard}", markup=False)
        return True
    n_trained = len(platform.catalog.reasoning_spec().toy_models)
    if show(launcher.prepare(names, again=again), "Candidates and models", 1 + n_trained):
        return False
    failed = show(launcher.shards(shards), "Testing necessity", len(shards))
    whole = [name for name in names if not launcher.lacking([name])]
    n_sets = len(whole) + len(launcher.targets_of(whole))
    return not show(launcher.datasets(whole), "Choosing datasets", n_sets) and not failed


def summary(platform: Platform, models: Sequence[str]) -> dict[str, Any]:
    """Counts of models and their datasets as one JSON document; of all for no `models`."""
    from quarry.necessity.summary import summarise_necessity
    from quarry.selection.targets import dataset_state
    from quarry.tables import read_table

    spec, directory = platform.catalog.reasoning_spec(), platform.directory
    names = list(models) or list(spec.models)
    results = {
        name: directory.path_of("necessity_results", name)
        for name in names
        if directory.path_of("necessity_results", name).exists()
    }
    return {
        "models": {
            name: summarise_necessity(read_table(path)).facts() for name, path in results.items()
        },
        "datasets": {
            name: dataset_state(platform.catalog, name, directory)
            for name, target in spec.targets.items()
            if target.of in names
        },
    }
