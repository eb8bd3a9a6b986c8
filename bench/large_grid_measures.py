"""What is measured of a large grid within one process: ticks, conditions, audit, costs, plans.

Each is done twice. The first time is that of a code server that has just started, the second of
one that finds nothing new.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.check_state import grid_state, proofs
from assets.collecting_plan import GridPlanner
from assets.partitions import build_grid
from assets.specs import CORRECTNESS_LABELS, TRAJECTORIES
from assets.staleness import stale_partitions
from assets.trajectory_checks import NAMES
from bench.large_grid_files import MadeGrid
from definitions import Deployment, build_defs
from quarry.audit.files import write_audit
from quarry.audit.survey import survey
from quarry.costs.grid import GridCosts
from quarry.trajectory.report import CHUNKS_INTACT
from sensors.adoption import latest_materializations

MOST_READ = 1000
"""Files that are read in full; above that it takes as many times longer as there are more."""
SLOW_S = 30.0
"""What took longer is not done again."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one thing.

    Args:
        what: its name.
        first_s: in a fresh process.
        steady_s: once more, with nothing new; None where that was not tried.
        said: what came of it.
    """

    what: str
    first_s: float
    steady_s: float | None
    said: str

    def as_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """A row of a table."""
        steady = "" if self.steady_s is None else f"{self.steady_s:.2f}"
        return f"| {self.what} | {self.first_s:.2f} | {steady} | {self.said[:90]} |"


@dataclass(frozen=True)
class Platform:
    """A grid with its definitions and its instance."""

    grid: MadeGrid
    deployment: Deployment
    defs: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def of(cls, grid: MadeGrid, instance: dg.DagsterInstance) -> Platform:
        """The definitions of a grid without an object store."""
        deployment = Deployment(grid.catalog_path, grid.directory.root)
        return cls(grid, deployment, build_defs(deployment), instance)


def timed(what: str, work: Callable[[], object], *, is_steady: bool = True) -> Measured:
    """Do it, and once more unless it was slow."""
    took: list[float] = []
    said: object = ""
    for _ in range(2 if is_steady else 1):
        started = time.perf_counter()
        said = work()
        took.append(time.perf_counter() - started)
        if took[0] > SLOW_S:
            break
    text = " ".join(str(said).split())
    return Measured(what, took[0], took[1] if len(took) > 1 else None, text)


def loading(settings: dict[str, str], root: Path) -> Measured:
    """Definitions in a process of their own, with its greatest size."""
    code = (
        "import resource, time; t = time.perf_counter(); import definitions; "
        "took = time.perf_counter() - t; "
        "print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    got = subprocess.run(
        [sys.executable, "-c", code], env=settings, cwd=root, check=True, capture_output=True
    )
    took_s, size_mb = got.stdout.split()[-2:]
    return Measured("definitions: load", float(took_s), None, f"{int(size_mb)} MB at most")


def measures(platform: Platform) -> Iterator[Measured]:
    """Everything, cheap ones first."""
    yield from _ticks(platform)
    yield from _reads(platform)
    yield from _conditions(platform)
    yield from _whole_grid(platform)
    size_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    yield Measured("this process", 0.0, None, f"{size_mb} MB at most")


def _ticks(platform: Platform) -> Iterator[Measured]:
    """Every sensor and schedule of our own."""
    repository = platform.defs.get_repository_def()
    resources = platform.deployment.resources()
    cursors: dict[str, str | None] = {}

    def tick(sensor: dg.SensorDefinition) -> str:
        name = sensor.name
        with dg.build_sensor_context(
            platform.instance,
            cursor=cursors.get(name),
            repository_def=repository,
            sensor_name=name,
            resources={name: resources[name] for name in sensor.required_resource_keys},
        ) as context:
            data = sensor.evaluate_tick(context)
        cursors[name] = data.cursor
        return f"{len(data.run_requests or [])} requests; {data.skip_message or ''}"

    for sensor in repository.sensor_defs:
        if not isinstance(sensor, dg.AutomationConditionSensorDefinition):
            yield timed(f"sensor: {sensor.name}", lambda sensor=sensor: tick(sensor))

    def evaluate(schedule: dg.ScheduleDefinition) -> str:
        with dg.build_schedule_context(
            platform.instance,
            scheduled_execution_time=datetime.now(UTC),
            repository_def=repository,
            resources={name: resources[name] for name in schedule.required_resource_keys},
        ) as context:
            data = schedule.evaluate_tick(context)
        return f"{len(data.run_requests or [])} requests; {data.skip_message or ''}"

    for schedule in repository.schedule_defs:
        yield timed(f"schedule: {schedule.name}", lambda one=schedule: evaluate(one))


def _reads(platform: Platform) -> Iterator[Measured]:
    """What ticks, checks and commands are made of."""
    cells = build_grid(platform.grid.catalog).cells
    instance, name = platform.instance, TRAJECTORIES.name

    def state() -> str:
        found = grid_state(instance, name, NAMES, cells)
        return f"{len(found.failed)} failed, {len(found.unverified)} unverified"

    def statuses() -> int:
        keys = [str(key) for key in cells.get_partition_keys()]
        return len(instance.get_status_by_partition(dg.AssetKey(name), keys, cells) or {})

    def stale(asset: str) -> int:
        graph = platform.defs.resolve_asset_graph()
        partitions = [key.partition for key in platform.grid.collected]
        return len(stale_partitions(graph, instance, asset, partitions))

    yield timed("verdicts of the grid (roll-up check)", state)
    yield timed("status of every cell", statuses)
    yield timed("latest materialisations", lambda: len(latest_materializations(instance)))
    yield timed(
        "when each cell was last proven", lambda: len(proofs(instance, name, CHUNKS_INTACT, cells))
    )
    for asset in (name, CORRECTNESS_LABELS.name):
        yield timed(f"stale cells of {asset}", lambda asset=asset: stale(asset))


def _conditions(platform: Platform) -> Iterator[Measured]:
    """The automation sensors' conditions."""
    cursors: dict[str, object] = {}
    for sensor in platform.defs.get_repository_def().sensor_defs:
        if isinstance(sensor, dg.AutomationConditionSensorDefinition):

            def evaluate(sensor: dg.AutomationConditionSensorDefinition = sensor) -> str:
                result = dg.evaluate_automation_conditions(
                    platform.defs,
                    platform.instance,
                    sensor.asset_selection,
                    cursor=cursors.get(sensor.name),  # type: ignore[arg-type]
                )
                cursors[sensor.name] = result.cursor
                return f"{result.total_requested} requested"

            yield timed(f"conditions: {sensor.name}", evaluate)


def _whole_grid(platform: Platform) -> Iterator[Measured]:
    """Plans and the audit."""
    grid = platform.grid
    catalog, root = grid.catalog, grid.directory.root

    def plan() -> int:
        planner = GridPlanner(platform.instance, catalog, grid.directory, build_grid(catalog))
        return sum(step.is_left for step in planner.steps())

    def costs() -> str:
        known = GridCosts(catalog, root)
        return f"{sum(known.of(key).gpu_hours.likely for key in catalog.cells()):.1f} hours"

    yield timed("plan of a collection (quarry collect --dry-run)", plan)
    yield timed("costs of every cell", costs)
    yield timed("audit, brief: every file proven", lambda: _audit(grid))
    made = survey(catalog, root, level="light")
    yield timed("audit, written", lambda: write_audit(made, root / "audit"))
    if len(grid.collected) <= MOST_READ:
        yield timed(
            "audit, full: every byte", lambda: survey(catalog, root).counts, is_steady=False
        )


def _audit(grid: MadeGrid) -> object:
    """The audit that automation asks for."""
    return survey(grid.catalog, grid.directory.root, level="light").counts
