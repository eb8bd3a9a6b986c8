"""The sensor records adopted files once and has them checked by real runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.check_state import grid_state
from assets.partitions import build_grid
from assets.trajectory_checks import NAMES
from definitions import Deployment, build_defs
from quarry.adoption.adopting import Adopter
from quarry.catalog import load_catalog
from quarry.keys import TrajectoryKey
from quarry.trajectory.manifest import manifest_path, pending_path, read_manifest
from sensors.adoption import MOST_PER_TICK, latest_materializations
from sensors.jobs import VERIFY
from tests.adoption.conftest import CATALOG_YAML
from tests.adoption.old_examples import cut_off, edited, failed_samples, good_example, write_old

ASSET = dg.AssetKey("trajectories")
CLEAN = TrajectoryKey("olmo3_base", "gsm8k", 0)
BAD = TrajectoryKey("olmo3_sft", "gsm8k", 0)
CUT = TrajectoryKey("olmo3_sft", "gsm8k", 8)


class Platform:
    """Definitions over a folder with a catalog and a data directory, and their instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, catalog: str = CATALOG_YAML):
        (folder / "catalog.yaml").write_text(catalog)
        self.folder, self.instance = folder, instance
        self.catalog = load_catalog(folder / "catalog.yaml")
        self.grid = build_grid(self.catalog)
        self.defs = build_defs(Deployment(folder / "catalog.yaml", folder / "data"))
        self.repository = self.defs.get_repository_def()

    def adopt(
        self, key: TrajectoryKey, seed: int = 0, damage=None, may_replace: bool = False
    ) -> Path:
        """Put an old file in a cell's place by way of `quarry adopt`."""
        name = f"{key.n_shot}shot/{key.model}/{key.task}_trajectories.h5"
        path = self.folder / f"old{seed}" / key.model / name
        example = good_example(12, n_shot=key.n_shot, seed=seed)
        write_old(path, replace(example, attributes=None))
        if damage:
            damage(path)
        adopter = Adopter(self.catalog, self.folder / "data", may_replace=may_replace)
        assert [one.is_new for one in adopter.adopt_files([path])] == [True]
        return self.folder / "data" / key.trajectory_path

    def tick(self) -> list[dg.RunRequest]:
        """One tick as the daemon makes it: events are recorded, then runs are asked for."""
        resources = self.repository.get_top_level_resources()
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, resources=resources
        ) as context:
            made = self.repository.get_sensor_def("adopt_files").evaluate_tick(context)
        for event in made.asset_events:
            self.instance.report_runless_asset_event(event)
        return list(made.run_requests or [])

    def run_checks(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Launch what a request asks for, in this process."""
        return self.defs.resolve_job_def(VERIFY).execute_in_process(
            instance=self.instance, tags=dict(request.tags), raise_on_error=False
        )

    def failed(self) -> dict[str, list[str]]:
        """Failed checks by partition."""
        return grid_state(self.instance, "trajectories", NAMES, self.grid.cells).failed


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform without any file."""
    with dg.instance_for_test() as instance:
        yield Platform(tmp_path, instance)


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_a_clean_file_is_recorded_and_passes_every_check(platform: Platform):
    file = platform.adopt(CLEAN)
    (request,) = platform.tick()
    assert platform.instance.get_materialized_partitions(ASSET) == {CLEAN.partition}
    version = latest_materializations(platform.instance)[CLEAN.partition].data_version
    assert version == read_manifest(manifest_path(file)).content_digest
    result = platform.run_checks(request)
    assert result.success
    assert {name: one.passed for name, one in verdicts(result).items()} == dict.fromkeys(
        NAMES, True
    )
    assert platform.failed() == {}
    assert platform.tick() == []


def test_a_bad_file_fails_the_check_that_names_its_defect(platform: Platform):
    platform.adopt(BAD, damage=edited(failed_samples))
    (request,) = platform.tick()
    result = platform.run_checks(request)
    assert not result.success
    found = verdicts(result)["rows_complete"]
    assert not found.passed
    assert "error_row" in str(found.metadata["all_findings"].value)
    assert verdicts(result)["chunks_intact"].passed
    assert "rows_complete" in platform.failed()[BAD.partition]


def test_a_file_that_was_cut_off_is_recorded_and_red(platform: Platform):
    platform.adopt(CUT, damage=cut_off)
    (request,) = platform.tick()
    result = platform.run_checks(request)
    assert "truncated" in str(verdicts(result)["file_complete"].metadata["all_findings"].value)
    assert set(platform.failed()[CUT.partition]) == set(NAMES)
    assert platform.tick() == []


def test_an_old_file_that_nobody_adopted_is_recorded_and_told_to_be_adopted(platform: Platform):
    path = platform.folder / "data" / CLEAN.trajectory_path
    write_old(path, good_example(12))
    (request,) = platform.tick()
    found = verdicts(platform.run_checks(request))["chunks_intact"]
    assert not found.passed
    assert "adopt" in str(found.metadata["what_to_do"].value)
    again = list(Adopter(platform.catalog, platform.folder / "data").adopt_files([path]))
    assert again[0].is_new
    (request,) = platform.tick()
    assert platform.run_checks(request).success


def test_a_tick_that_died_before_its_runs_asks_for_them_again_under_the_same_key(
    platform: Platform,
):
    platform.adopt(CLEAN)
    first = platform.tick()
    assert [request.run_key for request in platform.tick()] == [first[0].run_key]
    platform.run_checks(first[0])
    assert platform.tick() == []


def test_a_replaced_file_is_recorded_as_another_version(platform: Platform):
    platform.adopt(CLEAN)
    first = platform.tick()
    platform.run_checks(first[0])
    platform.adopt(CLEAN, seed=5, may_replace=True)
    second = platform.tick()
    assert len(second) == 1
    assert second[0].run_key != first[0].run_key


def test_a_file_that_lost_its_manifest_is_no_new_version(platform: Platform):
    file = platform.adopt(CLEAN)
    platform.run_checks(platform.tick()[0])
    manifest_path(file).unlink()
    assert platform.tick() == []


def test_a_publication_under_way_is_left_alone(platform: Platform):
    file = platform.adopt(CLEAN)
    manifest_path(file).rename(pending_path(file))
    assert platform.tick() == []


def test_a_partition_that_a_run_works_on_is_left_to_it(platform: Platform):
    platform.adopt(CLEAN)
    job = platform.defs.resolve_implicit_global_asset_job_def()
    run = platform.instance.create_run_for_job(
        job,
        tags={"dagster/partition": CLEAN.partition},
        asset_selection=frozenset({ASSET}),
        status=dg.DagsterRunStatus.STARTED,
    )
    planned = dg.AssetMaterialization(ASSET, partition=CLEAN.partition)
    _report_planned(platform.instance, run, planned)
    assert platform.tick() == []
    platform.instance.report_run_failed(run)
    assert len(platform.tick()) == 1


def _report_planned(
    instance: dg.DagsterInstance, run: dg.DagsterRun, planned: dg.AssetMaterialization
) -> None:
    """What a run says of a partition before it begins to work on it."""
    from dagster._core.events import (
        AssetMaterializationPlannedData,
        DagsterEvent,
        DagsterEventType,
    )

    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
        job_name=run.job_name,
        event_specific_data=AssetMaterializationPlannedData(ASSET, planned.partition),
    )
    instance.report_dagster_event(event, run.run_id)


def test_many_files_are_recorded_in_bounded_ticks(tmp_path: Path):
    models = [
        f"  m{i:02}: {{hub_id: org/m{i:02}, revision: main, prompt_style: raw}}\n"
        for i in range(15)
    ]
    head, _, rest = CATALOG_YAML.partition("models:\n")
    tasks = rest[rest.index("benchmarks:") :]
    with dg.instance_for_test() as instance:
        platform = Platform(tmp_path, instance, f"{head}models:\n{''.join(models)}{tasks}")
        one = write_old(tmp_path / "one.h5", replace(good_example(2), attributes=None))
        for key in platform.catalog.cells():
            path = tmp_path / "data" / key.trajectory_path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(one)
        counts: list[int] = []
        for _ in range(3):
            platform.tick()
            counts.append(len(instance.get_materialized_partitions(ASSET)))
        assert counts == [MOST_PER_TICK, 2 * MOST_PER_TICK, 60]
