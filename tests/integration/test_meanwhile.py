"""Two people plan the same cells: what one of them makes, the other does not make again."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from commands.platform import Platform
from commands.running_here import RunningHere
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.planning.plan import BackfillPlan
from sensors.launcher import Launcher
from sensors.meanwhile import Meanwhile
from tests.integration.small_platform import SmallPlatform, all_succeeded
from tests.integration.test_planning import lost, plan

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]
__all__ = ["lost"]


@dataclass
class Person:
    """Somebody with a plan, and what of a platform carrying it out needs."""

    launcher: Launcher
    home: Path
    plan: BackfillPlan
    meanwhile: Meanwhile

    def run(self) -> BackfillPlan:
        """Carry it out in this process; what came of the plan."""
        running = RunningHere(cast(Platform, self), self.plan, self.meanwhile)
        assert running.run() == []
        return running.plan


def person(platform: SmallPlatform, home: Path) -> Person:
    graph = platform.defs.resolve_asset_graph()
    meanwhile = Meanwhile(platform.instance, graph, platform.grid, has_store=False)
    return Person(platform.launcher, home, plan(platform), meanwhile)


def test_cells_that_were_made_meanwhile_are_not_made_again(
    platform: SmallPlatform, lost: str, tmp_path: Path
):
    first, second = person(platform, tmp_path), person(platform, tmp_path)
    assert first.run().partitions() == [lost]
    made = platform.file_of(lost).stat().st_ino
    came = second.run()
    assert came.rows == ()
    assert [(one.partition, "made by another run" in one.why) for one in came.left_out] == [
        (lost, True)
    ]
    assert platform.file_of(lost).stat().st_ino == made


def test_what_was_made_before_the_plan_counts_as_old(
    platform: SmallPlatform, lost: str, tmp_path: Path
):
    all_succeeded(list(platform.launcher.cells([lost])))
    platform.file_of(lost).unlink()
    late = person(platform, tmp_path)
    assert late.meanwhile.still_due(late.plan) == late.plan


def test_samples_that_were_drawn_meanwhile_are_not_drawn_again(
    platform: SmallPlatform, lost: str, tmp_path: Path
):
    key = TrajectoryKey.from_partition(lost)
    DataDirectory(platform.data_dir).samples(key).unlink()
    late = person(platform, tmp_path)
    assert [one.partition for one in late.plan.prerequisites] == [key.benchmark]
    all_succeeded([platform.launcher.materialise("benchmark_samples", key.benchmark)])
    left = late.meanwhile.still_due(late.plan)
    assert (left.partitions(), left.prerequisites) == ([lost], ())


def test_a_cell_that_another_makes_is_left_out_when_its_turn_comes(
    platform: SmallPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another takes the second cell while this one is at the first."""
    cells = platform.cells[:2]
    for cell in cells:
        platform.file_of(cell).unlink()
    monkeypatch.setattr("commands.running_here._SHARE", 1)  # looks before each cell
    ours = person(platform, tmp_path)
    make, begun = platform.launcher.cells, list[str]()

    def cells_and_another(partitions: list[str]):
        begun.extend(partitions)
        all_succeeded(list(make(cells[1:])))
        return make(partitions)

    monkeypatch.setattr(platform.launcher, "cells", cells_and_another)
    came = ours.run()
    assert (begun, came.partitions()) == (cells[:1], cells[:1])
    assert [one.partition for one in came.left_out] == cells[1:]
    assert all(platform.file_of(cell).exists() for cell in cells)
