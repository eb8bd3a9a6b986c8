"""The sensors of automation in Dagster's own loop: what they ask for runs, a run a partition."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.sensor import execute_sensor_iteration

from assets.check_state import grid_state
from quarry.audit.cell import CellStatus
from tests.integration.small_platform import SmallPlatform, open_platform, write_catalog

AUDIT = dg.AssetKey("collection_audit")
RANGE = "dagster/asset_partition_range_start"
BENCHMARKS = {
    "gsm8k": {"format": "gsm8k", "stop": ["\n\nQuestion:"]},
    "logiqa": {"format": "logiqa", "stop": ["\n\nContext:"]},
}
CODE = """
import warnings
from pathlib import Path

import dagster as dg

warnings.simplefilter("ignore")
from definitions import Deployment, build_defs
from sensors.automation import build_automation_sensors

full = build_defs(Deployment(Path({catalog!r}), Path({data!r}), device="cpu"))
names = {{one.key.to_user_string() for one in full.assets}}
defs = dg.Definitions(
    assets=full.assets,
    asset_checks=full.asset_checks,
    resources=full.resources,
    sensors=build_automation_sensors(names, is_on=True),
    executor=dg.in_process_executor,
)
"""


class Daemon:
    """Iterations of Dagster's loop over sensors, an hour apart, with runs in this process."""

    def __init__(self, instance: dg.DagsterInstance, context: WorkspaceProcessContext) -> None:
        self.instance, self._context = instance, context
        self._now = datetime.now(UTC)

    def iterate(self) -> list[dg.DagsterRun]:
        """One iteration; the runs that it launched, in order."""
        before = {run.run_id for run in self.instance.get_runs()}
        self._now += timedelta(hours=1)
        with freeze_time(self._now):
            list(execute_sensor_iteration(self._context, logging.getLogger("daemon"), None, None))
        runs = [run for run in self.instance.get_runs() if run.run_id not in before]
        return runs[::-1]

    def settle(self, most: int = 8) -> list[dg.DagsterRun]:
        """Iterate until nothing is launched any more; all runs that were."""
        runs: list[dg.DagsterRun] = []
        for _ in range(most):
            launched = self.iterate()
            if not launched:
                return runs
            runs += launched
        raise AssertionError(f"still launching after {most} iterations: {selected(runs)}")


@pytest.fixture
def empty(tmp_path: Path, tiny_model: tuple[Path, Path]) -> Iterator[tuple[SmallPlatform, Daemon]]:
    """A grid of two cells where nothing is collected, and a loop over its sensors."""
    models = {"tiny_raw": {"path": str(tiny_model[0]), "prompt_style": "raw"}}
    catalog = write_catalog(
        tmp_path / "catalog.yaml", *tiny_model, models=models, benchmarks=BENCHMARKS
    )
    data, code = tmp_path / "data", tmp_path / "code.py"
    code.write_text(CODE.format(catalog=str(catalog), data=str(data)))
    at_once = {
        "run_launcher": {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        },
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
    }
    root = str(Path(__file__).resolve().parents[2])
    target = PythonFileTarget(
        str(code), attribute="defs", working_directory=root, location_name="q"
    )
    with (
        dg.instance_for_test(overrides=at_once) as instance,
        create_test_daemon_workspace_context(target, instance) as context,
    ):
        yield open_platform(catalog, data, instance), Daemon(instance, context)


def selected(runs: list[dg.DagsterRun]) -> list[tuple[str, tuple[str, ...]]]:
    """Partition and assets of every run."""
    return sorted(
        (
            run.tags["dagster/partition"],
            tuple(sorted(key.to_user_string() for key in run.asset_selection or ())),
        )
        for run in runs
    )


@pytest.mark.slow
def test_an_empty_grid_fills_itself_with_a_run_for_every_partition(
    empty: tuple[SmallPlatform, Daemon],
):
    platform, daemon = empty
    every = daemon.settle()
    runs = [run for run in every if "dagster/partition" in run.tags]
    audits = [run for run in every if run not in runs]

    benchmarks = {cell.partition("|")[0] for cell in platform.cells}
    assert selected(runs) == sorted(
        [(name, ("benchmark_samples",)) for name in benchmarks]
        + [(cell, ("trajectories",)) for cell in platform.cells]
        + [
            (cell, ("correctness_labels", "label_changes", "labelled_trajectories"))
            for cell in platform.cells
        ]
    )
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert not any(RANGE in run.tags for run in runs)
    assert {run.tags["dagster/from_automation_condition"] for run in runs} == {"true"}
    assert {run.tags["quarry/purpose"] for run in runs} == {"automation"}
    cells = platform.defs.resolve_assets_def("trajectories").partitions_def
    assert cells is not None
    assert grid_state(platform.instance, "correctness_labels", ["labels_current"], cells).is_intact
    labelled = {CellStatus.OK, CellStatus.UNDECIDED, CellStatus.IMBALANCED}
    assert set(platform.statuses().values()) <= labelled

    # the code location has its own clock, so that an audit comes only if an hour begins just now
    assert {key for run in audits for key in run.asset_selection or ()} <= {AUDIT}
    assert audit_level(platform, {}) == "full"
    automated = {"dagster/from_automation_condition": "true"}
    assert audit_level(platform, automated) == "full, light for 2 proven by checks"


def audit_level(platform: SmallPlatform, tags: dict[str, str]) -> str:
    """How deep an audit looks in a run with these tags."""
    job = platform.defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=platform.instance, asset_selection=[AUDIT], tags=tags)
    return json.loads((platform.data_dir / "audit" / "audit.json").read_text())["level"]
