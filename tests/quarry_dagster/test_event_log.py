"""Our event log tells of checks what Dagster's own tells, whatever happened, and reads less."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._serdes import serialize_value

import quarry_dagster.event_log
from quarry_dagster.event_log import QuarryEventLog
from tests.quarry_dagster.history import ASSET, CELLS, COLOURS, GRID, KEYS, SMALLER, History

ROOT = Path(__file__).resolve().parents[2]
OF_GRID = [(key, GRID) for key in KEYS]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str] | None]:
    """The partitions of each reading of rows; None for all."""
    seen: list[Sequence[str] | None] = []
    read = SqlEventLogStorage.get_asset_check_partition_info

    def counted(storage: Any, keys: Any, after_storage_id: Any = None, partition_keys: Any = None):
        seen.append(partition_keys)
        return read(storage, keys, after_storage_id, partition_keys)

    monkeypatch.setattr(SqlEventLogStorage, "get_asset_check_partition_info", counted)
    return seen


def by_dagster(instance: dg.DagsterInstance, asked: Any) -> Any:
    return EventLogStorage.get_asset_check_state(instance.event_log_storage, asked)


def told(instance: dg.DagsterInstance, asked: Any = None) -> Any:
    return instance.event_log_storage.get_asset_check_state(asked or OF_GRID)


def assert_as_dagster(instance: dg.DagsterInstance, asked: Any = None) -> None:
    assert told(instance, asked) == by_dagster(instance, asked or OF_GRID)


def without_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was read before, nothing is read again."""
    monkeypatch.setattr(quarry_dagster.event_log, "_IN_FLIGHT", 0)


@pytest.mark.parametrize("seed", range(4))
def test_after_each_event_of_a_random_history_the_answer_is_that_of_dagster(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    without_margin(monkeypatch)
    random = Random(seed)
    with ExitStack() as stack:
        other = stack.enter_context(dg.DagsterInstance.from_ref(instance.get_ref()))
        first = History(instance)
        writers = [first, History(other, first.recorded)]
        for at in range(40):
            what = random.choice(writers).step(random)
            grid = random.choice([GRID, GRID, GRID, SMALLER])
            asked = [(key, grid) for key in random.sample(KEYS, random.randint(1, len(KEYS)))]
            assert told(instance, asked) == by_dagster(instance, asked), (at, what)
        assert_as_dagster(instance)


def test_an_unchanged_log_is_not_read_again(
    instance: dg.DagsterInstance, reads: list[Sequence[str] | None]
) -> None:
    history = History(instance)
    for cell in CELLS:
        history.materialize(cell)
        history.judge(None, "intact", cell, passed=cell != CELLS[0])
    first = told(instance)
    assert reads == [None, None]
    assert told(instance) == first
    assert told(instance, OF_GRID[:1]) == {KEYS[0]: first[KEYS[0]]}
    assert reads == [None, None]
    assert_as_dagster(instance)


def test_after_a_change_only_the_partitions_concerned_are_read(
    instance: dg.DagsterInstance,
    reads: list[Sequence[str] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_margin(monkeypatch)
    history = History(instance)
    for cell in CELLS:
        history.materialize(cell)
    run = history.run()
    history.plan(run, "intact", CELLS[1])
    told(instance)
    reads.clear()
    history.judge(run, "intact", CELLS[1], passed=True)
    told(instance)
    assert reads == [[CELLS[1]], []]
    assert_as_dagster(instance)


def test_a_run_that_ends_changes_the_answer_though_the_log_is_the_same(
    instance: dg.DagsterInstance,
) -> None:
    history = History(instance)
    run = history.run()
    history.plan(run, "intact", CELLS[0])
    assert told(instance)[KEYS[0]].in_progress_runs.keys() == {run.run_id}
    history.finish(run, DagsterEventType.PIPELINE_FAILURE)
    assert not told(instance)[KEYS[0]].in_progress_runs
    assert_as_dagster(instance)
    instance.delete_run(run.run_id)
    assert_as_dagster(instance)


def test_a_verdict_recorded_late_is_seen_though_newer_events_were(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(instance)
    run, other = history.run(), history.run()
    for one in (run, other):
        history.plan(one, "intact", CELLS[0 if one is run else 1])
    late: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(
            QuarryEventLog, "store_asset_check_event", lambda log, *event: late.append(event)
        )
        history.judge(run, "intact", CELLS[0], passed=False)
    history.judge(other, "intact", CELLS[1], passed=True)
    before = told(instance)
    log = instance.event_log_storage
    assert isinstance(log, QuarryEventLog)
    log.store_asset_check_event(*late[0])
    assert told(instance) != before
    assert_as_dagster(instance)


def test_events_deleted_and_their_numbers_given_anew_are_noticed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_margin(monkeypatch)
    history = History(instance)
    history.materialize(CELLS[0])
    history.judge(None, "intact", CELLS[0], passed=True)
    run = history.run()
    history.judge(run, "sane", CELLS[1], passed=True)
    told(instance)
    instance.delete_run(run.run_id)
    history.materialize(CELLS[0])
    assert_as_dagster(instance)
    instance.wipe_assets([ASSET])
    assert_as_dagster(instance)


@pytest.mark.parametrize("kind", ["none", "dynamic", "daily"])
def test_unusual_partitions_are_left_to_dagster(instance: dg.DagsterInstance, kind: str) -> None:
    partitions = {
        "none": None,
        "dynamic": dg.DynamicPartitionsDefinition(name="colours"),
        "daily": dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05"),
    }[kind]
    partition = {"none": None, "dynamic": "red", "daily": "2026-01-02"}[kind]
    history = History(instance)
    history.judge(None, "intact", partition, passed=False)
    asked = [(KEYS[0], partitions), (KEYS[1], COLOURS)]
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        assert_as_dagster(instance, asked)
        instance.add_dynamic_partitions("colours", ["red"])
        assert_as_dagster(instance, asked)
        assert any(not one.is_empty for one in told(instance, asked)[KEYS[0]].subsets.values())


WRITER = """
import sys
from dagster import DagsterInstance
from dagster._serdes import deserialize_value
from tests.quarry_dagster.history import CELLS, History
with DagsterInstance.from_ref(deserialize_value(sys.argv[1])) as instance:
    history = History(instance)
    for cell in CELLS:
        history.materialize(cell)
        run = history.run()
        history.plan(run, "intact", cell)
        history.judge(run, "intact", cell, passed=cell != CELLS[2])
"""


def test_what_another_process_writes_is_told_while_it_writes(instance: dg.DagsterInstance) -> None:
    told(instance)
    ref: InstanceRef = instance.get_ref()
    command = [sys.executable, "-c", WRITER, serialize_value(ref)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as writer:
        while writer.poll() is None:
            told(instance)
        assert writer.stderr is not None
        assert writer.returncode == 0, writer.stderr.read()
    assert_as_dagster(instance)
    failed = [one for one in told(instance)[KEYS[0]].subsets.values() if one.size == 1]
    assert [set(one.subset_value.get_partition_keys()) for one in failed] == [{CELLS[2]}]
