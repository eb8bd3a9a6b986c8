"""Launching half-way: what was launched is told, and an answer that was lost is looked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from assets.partitions import Grid, build_grid
from commands.graphql import GraphQL
from commands.launching import launch
from commands.platform import Platform
from quarry.errors import QuarryError
from quarry.planning.plan import BackfillPlan, PlanRow, Reason
from quarry.planning.selection import PlanSelection
from tests.costs.records import catalog
from tests.dagster_side.answering import answering, data

CATALOG = catalog()
KEYS = CATALOG.cells()[:2]
PLAN = BackfillPlan(
    CATALOG.name,
    PlanSelection(),
    len(CATALOG.cells()),
    (
        PlanRow(KEYS[0], "collect", (Reason("missing", "collect", "no file"),)),
        PlanRow(KEYS[1], "label", (Reason("missing", "label", "no labels"),)),
    ),
)


@dataclass
class NoStore:
    is_configured: bool = False


@dataclass
class Place:
    """What of a platform launching needs."""

    instance: dg.DagsterInstance
    grid: Grid
    store: NoStore


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("commands.launching._SOON_S", 0.0)
    with dg.instance_for_test() as instance:
        yield Place(instance, build_grid(CATALOG), NoStore())


class Launching:
    """A server that launches into an instance, and then does with the answer what it is told."""

    def __init__(self, instance: dg.DagsterInstance, *fates: str) -> None:
        self.instance, self.fates = instance, list(fates)
        self.is_asked_no_more = threading.Event()

    def __call__(self, query: str, variables: dict[str, Any]) -> tuple[int, bytes]:
        fate = self.fates.pop(0)
        if fate == "refused":
            return data({"launchPartitionBackfill": {"__typename": "PythonError", "message": "no"}})
        if fate == "broken":
            return 502, b"bad gateway"
        backfill_id = f"backfill{len(self.fates)}"
        if fate == "late":
            self.is_asked_no_more.wait(30)
        params = variables["params"]
        self.instance.add_backfill(
            PartitionBackfill(
                backfill_id,
                BulkActionStatus.REQUESTED,
                from_failure=False,
                tags={one["key"]: one["value"] for one in params["tags"]},
                backfill_timestamp=1.0,
                asset_selection=[dg.AssetKey("trajectories")],
                title=params["title"],
            )
        )
        if fate == "lost":
            return 500, b""
        found = {"__typename": "LaunchBackfillSuccess", "backfillId": backfill_id}
        return data({"launchPartitionBackfill": found})


def launched_by(place: Place, server: Launching, launched: dict[str, str]) -> str:
    """Launch the plan; the server's address."""
    with answering(server) as url:
        launch(cast(Platform, place), PLAN, GraphQL(url), launched)
    return url


def test_each_action_is_a_backfill_of_its_own(place: Place):
    launched: dict[str, str] = {}
    url = launched_by(place, Launching(place.instance, "", ""), launched)
    assert launched == {f"backfill{number}": f"{url}/runs/b/backfill{number}" for number in (1, 0)}


@pytest.mark.parametrize("fate", ["refused", "broken"])
def test_what_was_launched_before_a_failure_is_told(place: Place, fate: str):
    launched: dict[str, str] = {}
    with pytest.raises(QuarryError) as failed:
        launched_by(place, Launching(place.instance, "", fate), launched)
    assert list(launched) == ["backfill1"]
    assert "label only" in failed.value.what
    assert launched["backfill1"] in str(failed.value)


def test_a_backfill_whose_answer_was_lost_is_found_by_its_launch(place: Place):
    launched: dict[str, str] = {}
    launched_by(place, Launching(place.instance, "lost", "lost"), launched)
    assert list(launched) == ["backfill1", "backfill0"]


def test_a_slow_server_that_launches_after_the_time_is_over_is_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("commands.graphql._PATIENCE_S", 0.2)
    server = Launching(place.instance, "late", "lost")
    looked: list[dict[str, Any]] = []

    def looking(params: dict[str, Any]) -> None:
        looked.append(params)
        server.is_asked_no_more.set()

    from sensors import backfills

    found = backfills.find_launched

    def find(instance: dg.DagsterInstance, params: dict[str, Any]) -> str | None:
        looking(params)
        return found(instance, params)

    monkeypatch.setattr(backfills, "find_launched", find)
    launched: dict[str, str] = {}
    launched_by(place, server, launched)
    assert list(launched) == ["backfill1", "backfill0"]
