"""The Dagster that `quarry ui` started is found while it lives, and taken for no other's."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from commands.running_ui import DAEMONS, RunningUi, find_server, recorded_ui, require_daemon
from quarry.errors import QuarryError, UsageError


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def said(home: Path) -> RunningUi:
    """What this process would say."""
    return RunningUi.of_this_process(4001, data_dir=home / "data", catalog=home / "catalog.yaml")


def test_what_was_said_is_read_while_the_process_lives(tmp_path: Path):
    ui = said(tmp_path)
    ui.write(tmp_path)
    assert recorded_ui(tmp_path) == ui
    assert [path.name for path in tmp_path.iterdir()] == ["ui.json"]


def test_a_process_that_has_ended_is_forgotten(tmp_path: Path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    replace(said(tmp_path), pid=child.pid).write(tmp_path)
    assert recorded_ui(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_given_the_same_number_later_is_another(tmp_path: Path):
    replace(said(tmp_path), pid=os.getpid(), started_at=time.time() - 1e6).write(tmp_path)
    assert recorded_ui(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1'])
def test_a_damaged_file_is_no_ui(tmp_path: Path, text: str):
    (tmp_path / "ui.json").write_text(text)
    assert recorded_ui(tmp_path) is None


def test_nobody_was_started_so_nobody_is_found(tmp_path: Path, instance: dg.DagsterInstance):
    catalog = tmp_path / "catalog.yaml"
    assert find_server(instance, tmp_path, data_dir=tmp_path, catalog=catalog) is None


def test_a_ui_on_other_data_is_refused_and_both_are_named(
    tmp_path: Path, instance: dg.DagsterInstance
):
    said(tmp_path).write(tmp_path)
    with pytest.raises(UsageError) as refused:
        find_server(
            instance, tmp_path, data_dir=tmp_path / "mine", catalog=tmp_path / "catalog.yaml"
        )
    assert str(tmp_path / "mine") in str(refused.value)
    assert str(tmp_path / "data") in str(refused.value)


def test_a_daemon_without_a_heartbeat_is_an_error_that_says_what_to_do(
    instance: dg.DagsterInstance,
):
    with pytest.raises(QuarryError, match="start it again"):
        require_daemon(instance, "http://127.0.0.1:4001", patience_s=0)
    beat(instance, time.time() - 3600)
    with pytest.raises(QuarryError, match="start it again"):
        require_daemon(instance, "http://127.0.0.1:4001", patience_s=0)
    beat(instance, time.time())
    require_daemon(instance, "http://127.0.0.1:4001", patience_s=0)


def beat(instance: dg.DagsterInstance, at: float) -> None:
    """What living daemons write."""
    for daemon in DAEMONS:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, daemon, "one", []))
