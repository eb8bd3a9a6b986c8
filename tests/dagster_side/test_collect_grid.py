"""The job that collects many cells waits for the GPU as the asset's own runs do."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from assets.collecting import JOB
from definitions import Deployment, build_defs

ROOT = Path(__file__).resolve().parents[2]
CELLS = "collect_cells"
pytestmark = pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the project's settings."""
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=settings) as instance:
        yield instance


def is_blocked(instance: dg.DagsterInstance, waiting: str, running: str = "") -> bool:
    """Whether the queue keeps a run back.

    Args:
        instance: the instance.
        waiting: a run's id.
        running: the id of the only run that was started; empty for none.
    """
    [run] = instance.get_runs(dg.RunsFilter(run_ids=[waiting]))
    records = instance.get_run_records(dg.RunsFilter(run_ids=[running])) if running else []
    return GlobalOpConcurrencyLimitsCounter(
        instance,
        [run],
        records,
        {"gpu"},
        instance.event_log_storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    ).is_blocked(run)


def test_many_cells_in_one_run_and_cells_in_runs_of_their_own_wait_for_one_another(
    tmp_path: Path, instance: dg.DagsterInstance
):
    defs = build_defs(Deployment(ROOT / "catalog/demo.yaml", tmp_path / "data"))

    def run_of(job: str, *, is_started: bool, **tags: str) -> str:
        status = dg.DagsterRunStatus.STARTED if is_started else dg.DagsterRunStatus.NOT_STARTED
        run = instance.create_run_for_job(defs.resolve_job_def(job), status=status, tags=tags)
        return run.run_id

    cell = {"dagster/partition": "gsm8k-0shot|demo_base"}
    waiting, waiting_cell = run_of(JOB, is_started=False), run_of(CELLS, is_started=False, **cell)
    running, running_cell = run_of(JOB, is_started=True), run_of(CELLS, is_started=True, **cell)
    labelling = run_of("relabel_grid", is_started=False)
    assert not is_blocked(instance, waiting)
    assert is_blocked(instance, waiting, running)
    assert is_blocked(instance, waiting, running_cell)
    assert is_blocked(instance, waiting_cell, running)
    assert not is_blocked(instance, labelling, running)
