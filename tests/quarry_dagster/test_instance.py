"""An instance with our event log has the files of one without, wherever its processes run."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
from dagster._core.storage import asset_check_state
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import serialize_value

from quarry_dagster.event_log import QuarryEventLog
from tests.quarry_dagster.history import ASSET, CELLS, History

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "dagster.yaml").read_text()


def opened(home: Path, settings: str) -> dg.DagsterInstance:
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(settings)
    return dg.DagsterInstance.from_config(str(home))


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*.db")}


def test_an_instance_made_earlier_keeps_its_events_when_it_gets_ours_and_back(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, "telemetry: {enabled: false}\n") as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        History(instance).materialize(CELLS[0])
        before = files(tmp_path)
    with opened(tmp_path, SETTINGS) as instance:
        assert type(instance.event_log_storage) is QuarryEventLog
        assert instance.get_materialized_partitions(ASSET) == {CELLS[0]}
        History(instance).materialize(CELLS[1])
    assert files(tmp_path) == before
    with opened(tmp_path, "telemetry: {enabled: false}\n") as instance:
        assert instance.get_materialized_partitions(ASSET) == set(CELLS[:2])


def test_a_copied_instance_reads_and_writes_its_own_files(tmp_path: Path) -> None:
    with opened(tmp_path / "one", SETTINGS) as instance:
        History(instance).materialize(CELLS[0])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with dg.DagsterInstance.from_config(str(tmp_path / "two")) as copy:
        History(copy).materialize(CELLS[1])
        assert copy.get_materialized_partitions(ASSET) == set(CELLS[:2])
    with dg.DagsterInstance.from_config(str(tmp_path / "one")) as instance:
        assert instance.get_materialized_partitions(ASSET) == {CELLS[0]}


def test_a_storage_that_the_user_names_is_taken(tmp_path: Path) -> None:
    own = f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'elsewhere'}\n"
    with opened(tmp_path / "home", SETTINGS + own) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        History(instance).materialize(CELLS[0])
    assert (tmp_path / "elsewhere/history/runs/index.db").exists()
    assert not (tmp_path / "home/history").exists()


READER = """
import sys
from dagster import AssetKey, DagsterInstance
from dagster._serdes import deserialize_value
with DagsterInstance.from_ref(deserialize_value(sys.argv[1])) as instance:
    print(type(instance.event_log_storage).__name__, *instance.get_materialized_partitions(
        AssetKey("files")))
"""


def test_a_process_anywhere_opens_it_by_its_reference_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "home", SETTINGS) as instance:
        History(instance).materialize(CELLS[0])
        reference = serialize_value(instance.get_ref())
    hidden = {"PYTHONPATH", "DAGSTER_HOME"}
    got = subprocess.run(
        [sys.executable, "-c", READER, reference],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        capture_output=True,
        text=True,
        check=False,
    )
    assert got.returncode == 0, got.stderr
    assert got.stdout.split() == ["QuarryEventLog", CELLS[0]]


def test_what_the_event_log_relies_on_in_dagster_is_what_it_was() -> None:
    """When this fails, compare `quarry_dagster` with what changed, and read decision 35."""
    relied_on = [
        asset_check_state.AssetCheckState,
        asset_check_state.bulk_update_asset_check_state,
        asset_check_state._valid_partition_key,
        asset_check_state._process_partition_records,
        asset_check_state._process_run_statuses,
        asset_check_state._resolve_in_progress_subsets,
        EventLogStorage.get_asset_check_state,
        EventLogStorage.get_checkpointed_asset_check_state,
        SqlEventLogStorage.store_asset_check_event,
        SqlEventLogStorage._store_asset_check_evaluation_planned,
        SqlEventLogStorage._store_runless_asset_check_evaluation,
        SqlEventLogStorage._update_asset_check_evaluation,
        SqlEventLogStorage._get_asset_check_partition_info_for_key,
        SqlEventLogStorage.get_asset_check_partition_info,
        SqliteEventLogStorage.store_event,
    ]
    changed = {
        one.__qualname__: digest
        for one in relied_on
        if (digest := hashlib.sha256(inspect.getsource(one).encode()).hexdigest()[:12])
        != SOURCES.get(one.__qualname__)
    }
    assert not changed


SOURCES = {
    "AssetCheckState": "1b62c2d46ba0",
    "bulk_update_asset_check_state": "28d84a4d496c",
    "_valid_partition_key": "092f9b8de4d6",
    "_process_partition_records": "97677e0864ac",
    "_process_run_statuses": "c0238ffe226f",
    "_resolve_in_progress_subsets": "f123ab5015f1",
    "EventLogStorage.get_asset_check_state": "534972316a07",
    "EventLogStorage.get_checkpointed_asset_check_state": "28184740283c",
    "SqlEventLogStorage.store_asset_check_event": "6d148295fa69",
    "SqlEventLogStorage._store_asset_check_evaluation_planned": "bbecef7ab5ce",
    "SqlEventLogStorage._store_runless_asset_check_evaluation": "6f98e740f38a",
    "SqlEventLogStorage._update_asset_check_evaluation": "961fd6041447",
    "SqlEventLogStorage._get_asset_check_partition_info_for_key": "3a6e24b531cc",
    "SqlEventLogStorage.get_asset_check_partition_info": "5a902afc11ce",
    "SqliteEventLogStorage.store_event": "f89aed406024",
}
"""Digests of Dagster 1.13.27's source."""
