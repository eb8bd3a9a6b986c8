"""A grid whose files have second copies in B2 heals itself, the cheapest sound way."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.check_state import grid_state
from assets.trajectory_checks import NAMES
from commands.damages import DAMAGES, files_of
from quarry.collection import expected_file
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.storage.inventory import take_inventory
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.verification import verify
from sensors.attempts import attempts, clear, moved_bytes, samples_collected
from sensors.healing import heal_plan
from tests.b2_server import B2Server
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)

pytestmark = pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")
WAYS = {damage.name: damage for damage in DAMAGES}


@pytest.fixture(scope="module")
def server() -> Iterator[B2Server]:
    with B2Server() as running:
        yield running


@pytest.fixture(scope="module")
def grid(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path], server: B2Server
) -> Iterator[SmallPlatform]:
    """A grid that is collected, labelled and copied to the bucket."""
    directory = tmp_path_factory.mktemp("healing")
    heal = {"most_failures": 3, "backoff_minutes": 1e-9, "gpu_hours_per_day": 100}
    catalog = write_catalog(directory / "catalog.yaml", *tiny_model, heal=heal)
    with pytest.MonkeyPatch.context() as patch, dg.instance_for_test() as instance:
        patch.setenv("QUARRY_B2_KEY_ID", server.key_id)
        patch.setenv("QUARRY_B2_KEY", server.key)
        place = f"b2://{server.bucket}"
        platform = open_platform(
            catalog, directory / "data", instance, store=place, realm=server.url
        )
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        yield platform


def plan_of(grid: SmallPlatform):
    return heal_plan(
        grid.instance,
        grid.grid,
        grid.catalog,
        DataDirectory(grid.data_dir),
        grid.store,
        is_automated=False,
    )[0]


def bucket(grid: SmallPlatform) -> ObjectStore:
    return grid.store.open()


def heal_all(grid: SmallPlatform) -> dict[str, list[str]]:
    """Carry out plans until nothing is due; what was done for each cell."""
    done: dict[str, list[str]] = {}
    while steps := plan_of(grid).steps:
        for step in steps:
            grid.launcher.heal(step)
            done.setdefault(step.key.partition, []).append(step.action)
    return done


def assert_whole(grid: SmallPlatform) -> None:
    """Every file verifies, every check has passed, every copy is the file."""
    names = {}
    for cell in grid.cells:
        key = TrajectoryKey.from_partition(cell)
        assert verify(grid.file_of(cell), expected=expected_file(grid.catalog, key)).is_clean
        names[str(key.trajectory_path)] = grid.file_of(cell)
    assert take_inventory(names, bucket(grid)).counts() == {"matching": len(grid.cells)}
    assert grid_state(grid.instance, "trajectories", NAMES, grid.grid.cells).is_intact
    assert grid_state(
        grid.instance, "remote_trajectories", ["remote_copy_matches"], grid.grid.cells
    ).is_intact


def test_a_collected_grid_has_its_copies_and_needs_nothing(grid: SmallPlatform):
    assert_whole(grid)
    plan = plan_of(grid)
    assert not plan.steps
    assert plan.idle["healthy"] == len(grid.cells)


@pytest.mark.timeout(600)
def test_every_damage_is_healed_the_cheapest_sound_way(grid: SmallPlatform):
    before = {cell: grid.file_of(cell).read_bytes() for cell in grid.cells}
    by_task: dict[str, list[TrajectoryKey]] = {}
    for key in grid.catalog.cells():
        by_task.setdefault(key.benchmark, []).append(key)
    first, second, third = by_task.values()
    taken = {
        "truncated": [first[0]],
        "a page zeroed": [first[1]],
        "deleted here": [second[0]],
        "deleted in the store": [second[1]],
        "swapped with each other": third,
    }
    for name, keys in taken.items():
        WAYS[name].do(keys, grid.data_dir, bucket(grid))
    list(grid.launcher.verify(grid.cells))
    list(grid.launcher.verify_copies(grid.cells))
    done = heal_all(grid)
    assert done == {
        first[0].partition: ["restore"],
        first[1].partition: ["restore"],
        second[0].partition: ["restore"],
        second[1].partition: ["upload"],
        third[0].partition: ["restore"],
        third[1].partition: ["restore"],
    }
    assert {cell: grid.file_of(cell).read_bytes() for cell in grid.cells} == before
    assert_whole(grid)


@pytest.mark.timeout(600)
def test_without_a_copy_only_the_lost_samples_are_collected(grid: SmallPlatform):
    key = grid.catalog.cells()[1]  # nothing of this cell was kept aside
    WAYS["a page zeroed, no copy left"].do([key], grid.data_dir, bucket(grid))
    list(grid.launcher.verify([key.partition]))
    assert heal_all(grid) == {key.partition: ["restore", "recollect"]}
    record = grid.instance.get_run_records(
        dg.RunsFilter(tags={"quarry/heal_action": "recollect"}), limit=1
    )[0]
    assert samples_collected(grid.instance, record.dagster_run.run_id) == 1
    assert_whole(grid)


@pytest.mark.timeout(600)
def test_bit_rot_in_the_store_is_found_and_stored_anew(grid: SmallPlatform, server: B2Server):
    cell = grid.cells[2]
    name = str(TrajectoryKey.from_partition(cell).trajectory_path)
    server.rot(name, 10_000)
    job = grid.defs.resolve_job_def("verify_copies")
    config = {"ops": {"remote_integrity": {"config": {"level": "full"}}}}
    found = job.execute_in_process(
        run_config=config, tags={"dagster/partition": cell}, instance=grid.instance,
        raise_on_error=False,
    )  # fmt: skip
    assert [one.passed for one in found.get_asset_check_evaluations()] == [False]
    assert heal_all(grid) == {cell: ["upload"]}
    assert bucket(grid).read_range(name, 0, 1 << 30) == grid.file_of(cell).read_bytes()
    assert_whole(grid)


@pytest.mark.timeout(600)
def test_a_damaged_copy_leads_to_the_next_rung(grid: SmallPlatform, server: B2Server):
    cell = grid.cells[4]
    server.rot(str(TrajectoryKey.from_partition(cell).trajectory_path), 10_000)
    for lost in files_of(grid.file_of(cell)):
        lost.unlink()
    assert heal_all(grid) == {cell: ["restore", "recollect"]}
    assert [one.outcome for one in attempts_of(grid, cell)][-2:] == ["copy_unusable", "healed"]
    assert_whole(grid)


@pytest.mark.timeout(600)
def test_two_damaged_copies_make_one_whole_file(grid: SmallPlatform, server: B2Server):
    cell = grid.cells[3]  # its file with a zeroed page was kept aside by the test before
    path = grid.file_of(cell)
    before = path.read_bytes()
    server.rot(str(TrajectoryKey.from_partition(cell).trajectory_path), 10_000)
    for lost in files_of(path):
        lost.unlink()
    assert heal_all(grid) == {cell: ["restore"]}
    assert path.read_bytes() == before


@pytest.mark.timeout(600)
def test_a_cell_that_fails_again_and_again_is_given_up_until_cleared(
    grid: SmallPlatform, server: B2Server
):
    cell = grid.cells[4]
    name = str(TrajectoryKey.from_partition(cell).trajectory_path)
    for part in [one for one in server.objects() if one.startswith(name)]:
        server.lose(part)
    model = grid.catalog.model("tiny_raw").path
    assert model is not None
    hidden = model.rename(model.with_name("hidden"))
    for lost in files_of(grid.file_of(cell)):
        lost.unlink()
    assert heal_all(grid) == {cell: ["recollect"] * 3}
    stopped = plan_of(grid).stopped
    assert [one.key.partition for one in stopped] == [cell]
    assert stopped[0].last_error
    hidden.rename(model)
    assert not plan_of(grid).steps
    assert clear(grid.instance, cell)
    assert heal_all(grid) == {cell: ["recollect"]}
    assert_whole(grid)


def test_the_sensor_asks_for_the_same_and_explains_itself(grid: SmallPlatform):
    cell = grid.cells[1]
    for lost in files_of(grid.file_of(cell)):
        lost.unlink()
    sensor = grid.defs.get_repository_def().get_sensor_def("heal_cells")
    with sensor_context(grid) as context:
        asked = sensor.evaluate_tick(context).run_requests or []
    assert [(one.job_name, one.partition_key) for one in asked] == [("restore_cells", cell)]
    assert asked[0].tags["quarry/heal_action"] == "restore"
    heal_all(grid)
    assert moved_bytes(last_run(grid).tags) >= grid.file_of(cell).stat().st_size
    with sensor_context(grid) as context:
        quiet = sensor.evaluate_tick(context)
    assert not quiet.run_requests
    assert "0 to do now" in (quiet.skip_message or "")


def sensor_context(grid: SmallPlatform) -> dg.SensorEvaluationContext:
    return dg.build_sensor_context(
        instance=grid.instance,
        repository_def=grid.defs.get_repository_def(),
        resources=grid.defs.resources or {},
    )


def attempts_of(grid: SmallPlatform, cell: str):
    return [one for one in attempts(grid.instance, datetime.now(UTC)) if one.partition == cell]


def last_run(grid: SmallPlatform) -> dg.DagsterRun:
    tags = {"quarry/purpose": "heal"}
    return grid.instance.get_run_records(dg.RunsFilter(tags=tags), limit=1)[0].dagster_run
