"""The check `semantic` through Dagster: passes on what was collected, names what was planted."""

import dagster as dg
import numpy as np
import pytest

from assets.check_state import grid_state, partition_tags
from commands.checking import hidden_states_agree
from quarry.audit.cell import CellStatus
from quarry.audit.survey import survey
from quarry.keys import TrajectoryKey
from quarry.trajectory.publication import publish
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import staging_path
from quarry.trajectory.writer import TrajectoryWriter
from sensors.jobs import CHECK_SEMANTICS
from tests.integration.small_platform import SmallPlatform, all_succeeded

ASSET, CHECK = "trajectories", "semantic"


def evaluation(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return found


def checked(platform: SmallPlatform, cell: str) -> dg.AssetCheckEvaluation:
    """The verdict of a run of one cell that compares every row."""
    job = platform.defs.resolve_job_def(CHECK_SEMANTICS)
    config = {"ops": {"trajectory_semantics": {"config": {"rows": 0, "seed": 1}}}}
    return evaluation(
        job.execute_in_process(
            run_config=config, instance=platform.instance, tags=partition_tags(cell)
        )
    )


def plant(platform: SmallPlatform, cell: str) -> None:
    """Publish the cell's file anew with all states one token too early, digests and all."""
    path = platform.file_of(cell)
    with TrajectoryReader(path) as reader:
        header, rows = reader.header, list(reader.iterate())
    staged = staging_path(platform.data_dir, TrajectoryKey.from_partition(cell))
    with TrajectoryWriter(staged, header) as writer:
        for row in rows:
            states = np.roll(row.hidden_states, 1, axis=0)
            writer.append(type(row)(**{**vars(row), "hidden_states": states}))
        done = writer.finish()
    publish(done, path)


def test_collecting_runs_no_comparison_and_a_run_of_all_cells_does(platform: SmallPlatform):
    state = grid_state(platform.instance, ASSET, [CHECK], platform.grid.cells)
    assert set(state.unverified) == set(platform.cells)
    outcome = platform.launcher.semantics(rows=1)
    assert (outcome.is_success, outcome.reason) == (True, "")
    assert grid_state(platform.instance, ASSET, [CHECK], platform.grid.cells).is_intact
    log = platform.instance.all_logs(outcome.run_id)
    assert sum("leased cpu" in record.user_message for record in log) == 2  # once a model


def test_a_run_that_makes_the_file_passes_the_check_over(platform: SmallPlatform):
    job = platform.defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        partition_key=platform.cells[1],
        instance=platform.instance,
        asset_selection=[dg.AssetKey(ASSET)],
    )
    checks = {one.check_name for one in result.get_asset_check_evaluations()}
    assert result.success
    assert "chunks_intact" in checks
    assert CHECK not in checks


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")
def test_a_planted_shift_passes_every_other_check_and_fails_this_one(
    platform: SmallPlatform, capsys: pytest.CaptureFixture[str]
):
    cell = platform.cells[0]
    assert checked(platform, cell).passed
    plant(platform, cell)
    all_succeeded(list(platform.launcher.verify([cell])))
    verdict = checked(platform, cell)
    assert not verdict.passed
    assert verdict.severity == dg.AssetCheckSeverity.ERROR
    assert verdict.partition == cell
    assert "another position of the sequence: 1 token earlier" in (verdict.description or "")
    assert verdict.metadata["number_of_findings"].value == 5

    assert not hidden_states_agree(platform.launcher, rows=0)
    said = "semantic: Hidden states are those of another position of the sequence: 1 token earlier"
    assert said in capsys.readouterr().err
    audited = {one.key.partition: one for one in survey(platform.catalog, platform.data_dir).cells}
    assert audited[cell].status is CellStatus.CORRUPTED
    assert "1 token earlier" in audited[cell].note
    assert platform.damaged() == {cell: CellStatus.CORRUPTED}

    all_succeeded(list(platform.launcher.cells([cell])))
    assert platform.damaged() == {}
    assert checked(platform, cell).passed
    assert hidden_states_agree(platform.launcher, rows=1)
