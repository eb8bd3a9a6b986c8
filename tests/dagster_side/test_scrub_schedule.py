"""The schedule `scrub_daily` over real files, with a real instance and real check runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.check_state import partition_tags, proofs
from assets.partitions import build_grid
from definitions import Deployment, build_defs
from quarry.catalog import load_catalog
from quarry.keys import TrajectoryKey
from sensors.jobs import VERIFY
from tests.audit.grid_on_disk import CATALOG_YAML, write_trajectory
from tests.dagster_side.small_grid import CELLS, FILES, GRID, small_grid

TRAJECTORIES = dg.AssetKey("trajectories")
DAY = timedelta(days=1)
CHECK = "chunks_intact"
# Files of 4 cells are about alike in size, so that 1% is less than one of them.
SETTINGS = 'scrub: {budget: "1%", period_days: 30, cron: "30 2 * * *"}\n'


@dataclass
class Platform:
    """A grid of four published cells."""

    defs: dg.Definitions
    instance: dg.DagsterInstance
    catalog: Path
    data_dir: Path

    @property
    def grid(self):
        return build_grid(load_catalog(self.catalog))

    @property
    def cells(self) -> list[str]:
        return [key.partition for key in load_catalog(self.catalog).cells()]

    def file_of(self, cell: str) -> Path:
        return self.data_dir / TrajectoryKey.from_partition(cell).trajectory_path

    def register(self, cell: str) -> None:
        """Record a cell as materialised, as adoption does."""
        event = dg.AssetMaterialization(TRAJECTORIES, partition=cell)
        self.instance.report_runless_asset_event(event)

    def run_checks(self, cell: str, tags: dict[str, str] | None = None) -> bool:
        job = self.defs.resolve_job_def(VERIFY)
        tags = tags or partition_tags(cell)
        return job.execute_in_process(
            tags=tags, instance=self.instance, raise_on_error=False
        ).success

    def tick(self, now: datetime) -> tuple[Sequence[dg.RunRequest], str | None]:
        repository = self.defs.get_repository_def()
        with dg.build_schedule_context(
            self.instance, now, repository_def=repository, resources=self._resources()
        ) as context:
            data = repository.get_schedule_def("scrub_daily").evaluate_tick(context)
        return data.run_requests or [], data.skip_message

    def chosen(self, now: datetime) -> set[str]:
        return {request.tags["dagster/partition"] for request in self.tick(now)[0]}

    def _resources(self) -> dict[str, object]:
        return {"files": Deployment(self.catalog, self.data_dir).resources()["files"]}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    (folder / "catalog.yaml").write_text(CATALOG_YAML + SETTINGS)
    for key in load_catalog(folder / "catalog.yaml").cells():
        write_trajectory(folder / "data", key)
    return folder


@pytest.fixture
def platform(published: Path) -> Iterator[Platform]:
    catalog, data_dir = published / "catalog.yaml", published / "data"
    with dg.instance_for_test() as instance:
        yield Platform(build_defs(Deployment(catalog, data_dir)), instance, catalog, data_dir)


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_the_schedule_is_on_and_says_what_the_catalog_says(platform: Platform):
    schedule = platform.defs.get_repository_def().get_schedule_def("scrub_daily")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "30 2 * * *"
    assert schedule.job_name == VERIFY
    assert "1%" in (schedule.description or "")
    assert schedule.metadata["period_days"].value == 30


def test_without_any_collected_cell_nothing_is_asked_for(platform: Platform):
    requests, reason = platform.tick(in_days(0))
    assert requests == []
    assert reason == "There is nothing to verify."


def test_one_never_verified_cell_a_day_is_asked_for_when_the_budget_is_small(platform: Platform):
    for cell in platform.cells:
        platform.register(cell)
    now = in_days(0)
    first, _ = platform.tick(now)
    again, _ = platform.tick(now)
    assert len(first) == 1
    assert first[0].run_key == again[0].run_key
    assert first[0].partition_key is None
    assert first[0].tags["quarry/scrub_last_verified"] == "never"
    assert len({request.run_key for request in (*first, *platform.tick(now + DAY)[0])}) == 2


def test_the_run_that_is_asked_for_verifies_its_cell_and_the_next_days_pay(platform: Platform):
    for cell in platform.cells:
        platform.register(cell)
    (request,), _ = platform.tick(in_days(0))
    cell = request.tags["dagster/partition"]
    assert platform.run_checks(cell, dict(request.tags))
    found = proofs(platform.instance, "trajectories", CHECK, platform.grid.cells)
    assert {name for name, proof in found.items() if proof.checked_at} == {cell}
    requests, reason = platform.tick(in_days(1))
    assert requests == []
    assert reason is not None
    assert "earlier days read ahead" in reason
    # A file is a quarter of all bytes and a day's budget a hundredth: paid for after 25 days, but
    # three cells are left for 27 days, so the budget is raised and the next comes earlier.
    later = platform.chosen(in_days(20))
    assert len(later) == 1
    assert cell not in later


def test_the_longest_unverified_cell_comes_first_and_a_replaced_one_before_it(platform: Platform):
    order = [platform.cells[n] for n in (2, 0, 3, 1)]
    for cell in order:
        platform.register(cell)
        assert platform.run_checks(cell)
    assert platform.chosen(in_days(1)) == {order[0]}
    platform.register(order[3])
    assert platform.chosen(in_days(1)) == {order[3]}


def test_all_cells_are_asked_for_where_the_period_is_over(platform: Platform):
    days = {f"{in_days(0):%Y-%m-%d}"}
    for cell in platform.cells:
        platform.register(cell)
        platform.run_checks(cell)
    requests, _ = platform.tick(in_days(31))
    assert {request.tags["dagster/partition"] for request in requests} == set(platform.cells)
    days.add(f"{in_days(0):%Y-%m-%d}")  # two if midnight passes just now
    assert {request.tags["quarry/scrub_last_verified"] for request in requests} <= days


def test_a_run_that_crashed_does_not_hide_the_verdict_before_it(platform: Platform):
    cell = platform.cells[0]
    platform.register(cell)
    platform.run_checks(cell)
    before = proofs(platform.instance, "trajectories", CHECK, platform.grid.cells)[cell]
    job = platform.defs.resolve_job_def(VERIFY)
    run = platform.instance.create_run_for_job(job, tags=partition_tags(cell))
    platform.instance.report_run_failed(run)
    after = proofs(platform.instance, "trajectories", CHECK, platform.grid.cells)[cell]
    assert before.checked_at is not None
    assert after == before


def test_a_cell_whose_scrub_has_not_ended_is_not_asked_for_again(platform: Platform):
    for cell in platform.cells:
        platform.register(cell)
    (request,), _ = platform.tick(in_days(0))
    job = platform.defs.resolve_job_def(VERIFY)
    platform.instance.create_run_for_job(job, tags=dict(request.tags))
    assert request.tags["dagster/partition"] not in platform.chosen(in_days(1.5))
    assert request.tags["dagster/partition"] in platform.chosen(in_days(40))


def test_a_vanished_file_is_asked_for_and_found_missing(platform: Platform, tmp_path: Path):
    cell = platform.cells[0]
    platform.register(cell)
    moved = platform.file_of(cell).rename(tmp_path / "moved.h5")
    try:
        (request,), _ = platform.tick(in_days(0))
        assert request.tags["dagster/partition"] == cell
        assert not platform.run_checks(cell, dict(request.tags))
    finally:
        moved.rename(platform.file_of(cell))
    proof = proofs(platform.instance, "trajectories", CHECK, platform.grid.cells)[cell]
    assert proof.checked_at is not None


def test_a_check_in_the_run_that_materialised_a_cell_counts_until_the_next_run():
    defs = small_grid(damaged={CELLS[1]})
    job = defs.resolve_implicit_global_asset_job_def()
    with dg.instance_for_test() as instance:
        for cell in CELLS[:2]:
            job.execute_in_process(partition_key=cell, instance=instance, raise_on_error=False)
        found = proofs(instance, "files", "intact", GRID)
        assert set(found) == set(CELLS[:2])
        for proof in found.values():
            assert proof.checked_at is not None
            assert proof.checked_at >= proof.materialized_at
        job.execute_in_process(partition_key=CELLS[0], asset_selection=[FILES], instance=instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(FILES, partition=CELLS[0]))
        assert proofs(instance, "files", "intact", GRID)[CELLS[0]].checked_at is None
