"""`demo-heal`: damages cells of the demo on purpose, and watches the grid heal itself.

A real `dagster dev` runs meanwhile. Its checks find the damage, its sensor `heal_cells` mends it;
this command only damages, watches and prints what was done.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from commands.collecting import collect_missing
from commands.damages import DAMAGES
from commands.live_dagster import LiveDagster
from commands.output import console, show, stop
from commands.platform import Platform
from quarry.errors import UsageError
from quarry.keys import TrajectoryKey
from quarry.size_text import size_text

if TYPE_CHECKING:
    from dagster._core.storage.dagster_run import RunRecord

_POLL_S = 3.0
_TABLE_WIDTH = 150
"""Wide enough for a line a cell, also where the output goes to a file."""
_MOST_ROUNDS = 5


@dataclass(frozen=True)
class Healed:
    """What became of one damaged cell."""

    damage: str
    cell: str
    actions: str
    moved_bytes: int
    samples_collected: int
    size_bytes: int
    seconds: float
    is_healed: bool


def demo_heal(
    deadline_s: Annotated[float, typer.Option(help="give up after so many seconds")] = 900.0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Damage cells of the demo in six ways and let a real `dagster dev` heal them."""
    started = time.monotonic()
    platform = Platform()
    _require_demo(platform)
    if not collect_missing(platform) or not _prepared(platform):
        raise stop(started)
    patients = _damage(platform)
    log = platform.deployment.data_dir.parent / "demo-heal.log"
    console.print(f"starting dagster dev; its output is in {log}", soft_wrap=True)
    with LiveDagster(log) as dagster:
        console.print(f"{dagster.url} shows what follows")
        sensor = dagster.start_sensor("heal_cells")
        since = datetime.now(UTC)
        for job in ("verify_cells", "verify_copies"):
            dagster.launch(job)
        try:
            healed_s = _watch(platform, list(patients), time.monotonic() + deadline_s)
        finally:
            dagster.stop_sensor(sensor)
    results = _results(platform, patients, healed_s, since)
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    _print(results)
    if not all(one.is_healed for one in results):
        raise stop(started)
    console.print(f"all healed, {time.monotonic() - started:.0f} s with everything")


def _require_demo(platform: Platform) -> None:
    """Make sure that nothing but toys can be damaged.

    Raises:
        UsageError: the deployment has models that were not trained here, no store, or too few
            cells for all damages.
    """
    real = [name for name, model in platform.catalog.models.items() if model.recipe is None]
    if real or not platform.store.is_configured:
        raise UsageError(
            "demo-heal damages files on purpose, and does so to the demo alone",
            where=str(platform.deployment.data_dir),
            expected="a catalog of toy models, and a store of second copies",
            got=f"models from elsewhere: {', '.join(real)}" if real else "QUARRY_STORE=off",
            fix="unset QUARRY_DEPLOYMENT, QUARRY_CATALOG, QUARRY_DATA_DIR and QUARRY_STORE",
        )
    cells = platform.catalog.cells()
    if any(
        len(one) < damage.n_cells for one, damage in zip(patients_of(cells), DAMAGES, strict=True)
    ):
        raise UsageError(
            "demo-heal damages cells in more ways than this grid has cells for",
            where=f"catalog {platform.catalog.name!r}",
            expected="the grid of catalog/demo.yaml, or as large a one",
            got=f"{len(cells)} cells",
            fix="unset QUARRY_CATALOG, and run `make demo` first",
        )


def _prepared(platform: Platform) -> bool:
    """Make every cell whole, here and in the store, before it is damaged; whether all are."""
    from sensors.healing import heal_plan

    for _ in range(_MOST_ROUNDS):
        plan, _ = heal_plan(*platform.healing_inputs, is_automated=platform.deployment.is_automated)
        if not plan.steps:
            console.print(plan.explanation(), markup=False, soft_wrap=True)
            return not plan.waiting and not plan.stopped
        show((platform.launcher.heal(step) for step in plan.steps), "Preparing", len(plan.steps))
    return False


def patients_of(cells: Iterable[TrajectoryKey]) -> list[list[TrajectoryKey]]:
    """The cells for each of `DAMAGES`, benchmark after benchmark; fewer where there are no more."""
    by_task: dict[str, list[TrajectoryKey]] = defaultdict(list)
    for key in cells:
        by_task[key.benchmark].append(key)
    groups = list(by_task.values())
    chosen: list[list[TrajectoryKey]] = []
    for number, damage in enumerate(DAMAGES):
        taken = {key for keys in chosen for key in keys}
        left = [key for key in groups[number % len(groups)] if key not in taken]
        chosen.append(left[: damage.n_cells])
    return chosen


def _damage(platform: Platform) -> dict[str, str]:
    """Damage cells in all ways; which cell in which way."""
    patients: dict[str, str] = {}
    for damage, taken in zip(DAMAGES, patients_of(platform.catalog.cells()), strict=True):
        damage.do(taken, platform.directory.root, platform.store.open())
        patients |= {key.partition: damage.name for key in taken}
        console.print(f"  {damage.name:<28} {', '.join(map(str, taken))}", soft_wrap=True)
    return patients


def _watch(platform: Platform, cells: list[str], end_s: float) -> dict[str, float]:
    """Wait until every cell is whole here and in the store; seconds until it was seen so."""
    from sensors.attempts import in_flight

    started, whole = time.monotonic(), dict[str, float]()
    while len(whole) < len(cells) and time.monotonic() < end_s:
        time.sleep(_POLL_S)
        for cell in cells:
            if cell not in whole and _is_whole(platform, cell):
                whole[cell] = time.monotonic() - started
                console.print(f"  [green]whole[/green] {cell:<32} after {whole[cell]:.0f} s")
    while in_flight(platform.instance) and time.monotonic() < end_s:
        time.sleep(_POLL_S)
    return whole


def _is_whole(platform: Platform, cell: str) -> bool:
    """Whether a cell's file verifies in full and its copy is that file."""
    from quarry.collection import expected_file
    from quarry.errors import QuarryError
    from quarry.storage.remote_findings import remote_findings
    from quarry.trajectory.verification import verify

    key = TrajectoryKey.from_partition(cell)
    path = platform.directory.trajectory(key)
    try:
        report = verify(path, expected=expected_file(platform.catalog, key))
        store = platform.store.open()
        return report.is_clean and not remote_findings(path, str(key.trajectory_path), store)
    except QuarryError:
        return False


def _results(
    platform: Platform, patients: dict[str, str], healed_s: dict[str, float], since: datetime
) -> list[Healed]:
    """What was done for each cell, from the tags and the metadata of the runs."""
    from assets.heal_outcome import ACTION_TAG
    from sensors.attempts import PARTITION_TAG, heal_records, moved_bytes, samples_collected

    runs: dict[str, list[RunRecord]] = defaultdict(list)
    for record in heal_records(platform.instance, since):
        runs[record.dagster_run.tags[PARTITION_TAG]].append(record)
    return [
        Healed(
            damage=damage,
            cell=cell,
            actions=", ".join(one.dagster_run.tags[ACTION_TAG] for one in runs[cell]),
            moved_bytes=sum(moved_bytes(one.dagster_run.tags) for one in runs[cell]),
            samples_collected=sum(
                samples_collected(platform.instance, one.dagster_run.run_id) for one in runs[cell]
            ),
            size_bytes=_size_bytes(platform, cell),
            seconds=round(healed_s.get(cell, 0.0), 1),
            is_healed=cell in healed_s,
        )
        for cell, damage in patients.items()
    ]


def _size_bytes(platform: Platform, cell: str) -> int:
    """Size of a cell's file; 0 if there is none."""
    path = platform.directory.trajectory(TrajectoryKey.from_partition(cell))
    return path.stat().st_size if path.exists() else 0


def _print(results: list[Healed]) -> None:
    """The table of what was done."""
    table = Table("damage", "cell", "actions", "moved", "of", "samples collected", "whole after")
    for one in results:
        table.add_row(
            one.damage,
            one.cell,
            one.actions or "none",
            size_text(one.moved_bytes),
            size_text(one.size_bytes),
            str(one.samples_collected),
            f"{one.seconds:.0f} s" if one.is_healed else "[red]not healed[/red]",
        )
    Console(stderr=True, width=max(console.width, _TABLE_WIDTH)).print(table)
