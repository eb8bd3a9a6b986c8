"""Following is given up for a daemon that has ended, and not for a laptop that has slept."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dagster as dg
import pytest
import typer
from dagster._core.execution.backfill import BulkActionStatus
from dagster._daemon.types import DaemonHeartbeat

from commands.daemon import DAEMONS
from commands.following import follow
from quarry.cli.output import INTERRUPTED
from tests.dagster_side.test_backfill_watch import backfill

CELL = "gsm8k-1shot|small"


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """One whose daemon was heard an hour ago."""
    monkeypatch.setattr("commands.following._LOOK_S", 0.0)
    with dg.instance_for_test() as instance:
        backfill(instance)
        beat(instance, time.time() - 3600)
        yield instance


def beat(instance: dg.DagsterInstance, at: float) -> None:
    for daemon in DAEMONS:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, daemon, "one", []))


def test_a_daemon_that_stays_silent_has_ended_and_no_cell_has_failed(
    instance: dg.DagsterInstance,
):
    with pytest.raises(typer.Exit) as left:
        follow(instance, {"ours": "http://127.0.0.1:4001/runs/b/ours"}, [CELL])
    assert left.value.exit_code == INTERRUPTED


def test_a_daemon_that_wakes_up_after_us_is_waited_for(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        """Wake up: the daemon beats after a few looks, and the backfill ends at last."""
        looks.append(seconds)
        if len(looks) == 20:
            beat(instance, time.time())
        if len(looks) == 60:
            found = instance.get_backfill("ours")
            assert found is not None
            instance.update_backfill(found.with_status(BulkActionStatus.COMPLETED_SUCCESS))

    monkeypatch.setattr("commands.following.time.sleep", sleep)
    (failed,) = follow(instance, {"ours": "http://127.0.0.1:4001/runs/b/ours"}, [CELL])
    assert (failed.partition, len(looks)) == (CELL, 60)
