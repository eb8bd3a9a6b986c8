"""The Dagster that `quarry ui` started is found while it lives, and taken for no other's."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from commands.daemon import DAEMONS, require_daemon
from commands.finding_ui import find_server, live_ui
from commands.instance_lock import instance_lock
from commands.running_ui import RunningUi, recorded_ui
from commands.serving import announce
from quarry.errors import DiskError, QuarryError, UsageError
from tests.dagster_side.answering import LOADED, answering, data, page_of


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def said(home: Path) -> RunningUi:
    """What this process would say."""
    return RunningUi.of_this_process(4001, data_dir=home / "data", catalog=home / "catalog.yaml")


def id_of(instance: dg.DagsterInstance) -> str:
    """What its pages show."""
    return instance.run_storage.get_run_storage_id()  # pyright: ignore[reportAttributeAccessIssue]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


def test_a_process_that_was_given_the_same_number_later_is_another(
    tmp_path: Path, instance: dg.DagsterInstance
):
    replace(said(tmp_path), url="http://127.0.0.1:9", started_at=time.time() - 1e6).write(tmp_path)
    assert live_ui(instance, tmp_path) is None


@pytest.mark.parametrize("change", [{"started_at": 1e9}, {"host": "another"}])
def test_a_ui_whose_process_does_not_tell_is_asked_itself(
    tmp_path: Path, instance: dg.DagsterInstance, change: dict[str, Any]
):
    """The clock was set since it started, or it runs in a container."""
    with answering(lambda *_: data(LOADED), page_of(id_of(instance))) as url:
        ui = replace(said(tmp_path), url=url, **change)
        ui.write(tmp_path)
        assert live_ui(instance, tmp_path) == ui
        found = find_server(
            instance, tmp_path, data_dir=Path(ui.data_dir), catalog=Path(ui.catalog)
        )
        assert found is not None
        assert found.url == url
    assert live_ui(instance, tmp_path) is None
    with answering(lambda *_: data(LOADED), page_of("a stranger's")) as url:
        replace(ui, url=url).write(tmp_path)
        assert live_ui(instance, tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1', "\xff"])
def test_a_damaged_file_is_no_ui(tmp_path: Path, text: str):
    (tmp_path / "ui.json").write_text(text, encoding="latin-1")
    assert recorded_ui(tmp_path) is None


def test_a_field_of_another_kind_is_damage(tmp_path: Path):
    found = asdict(said(tmp_path)) | {"pid": "no number"}
    (tmp_path / "ui.json").write_text(json.dumps(found))
    assert recorded_ui(tmp_path) is None


def test_what_can_not_be_read_is_an_error_and_stays(tmp_path: Path):
    (tmp_path / "ui.json").mkdir()
    with pytest.raises(DiskError):
        recorded_ui(tmp_path)
    assert (tmp_path / "ui.json").exists()


def test_a_second_ui_on_an_instance_is_refused_and_the_first_stays_known(
    tmp_path: Path, instance: dg.DagsterInstance
):
    first = said(tmp_path)
    first.write(tmp_path)
    with pytest.raises(UsageError, match="two would launch the same twice"):
        announce(4002, tmp_path)
    assert recorded_ui(tmp_path) == first
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    replace(first, pid=child.pid).write(tmp_path)
    announce(free_port(), tmp_path)
    second = recorded_ui(tmp_path)
    assert second is not None
    assert second.pid == os.getpid()


def test_one_command_at_a_time_launches(tmp_path: Path):
    with (
        instance_lock(tmp_path),
        pytest.raises(QuarryError, match="does not come to an end"),
        instance_lock(tmp_path, patience_s=0.0),
    ):
        pass
    with instance_lock(tmp_path, patience_s=0.0):
        pass


def test_nobody_was_started_so_nobody_is_found(tmp_path: Path, instance: dg.DagsterInstance):
    catalog = tmp_path / "catalog.yaml"
    assert find_server(instance, tmp_path, data_dir=tmp_path, catalog=catalog) is None


@pytest.mark.parametrize("url", ["", "http://localhost:4001", "http://dagster.example.org"])
def test_a_ui_on_other_data_is_refused_by_whatever_name_and_both_are_named(
    tmp_path: Path, instance: dg.DagsterInstance, url: str
):
    said(tmp_path).write(tmp_path)
    with pytest.raises(UsageError) as refused:
        find_server(
            instance, tmp_path, url, data_dir=tmp_path / "mine", catalog=tmp_path / "catalog.yaml"
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
