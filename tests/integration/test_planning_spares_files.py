"""What a plan leaves alone: intact files, whatever became of a run, and files that a disk hides."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import dagster as dg

import quarry.trajectory.verify_light
from sensors.jobs import COLLECT
from tests.integration.small_platform import SmallPlatform, all_succeeded
from tests.integration.test_planning import plan


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """A disk that gives the status of a file and not its bytes."""
    read_head = quarry.trajectory.verify_light._read_head

    def read(asked: Path, *rest: object):
        if asked == path:
            raise OSError(errno.EIO, "Input/output error")
        return read_head(asked, *rest)  # pyright: ignore[reportArgumentType]

    with patch.object(quarry.trajectory.verify_light, "_read_head", read):
        yield


def test_a_run_that_died_over_an_intact_file_costs_no_second_collection(platform: SmallPlatform):
    cell, instance = platform.cells[0], platform.instance
    run = instance.create_run_for_job(
        platform.defs.resolve_job_def(COLLECT),
        tags={"dagster/partition": cell},
        asset_selection=frozenset({dg.AssetKey("trajectories")}),
    )
    instance.report_run_failed(run)
    assert platform.launcher.failed() == {cell}
    for kinds in ((), ("failed",)):
        found = plan(platform, *kinds)
        assert found.rows == ()
        (left,) = found.left_out
        assert left.partition == cell
        assert "`quarry collect` records it" in left.why
    all_succeeded([platform.launcher.collect_grid([cell])])
    assert (plan(platform).rows, plan(platform).left_out) == ((), ())


def test_a_file_that_the_disk_hides_is_named_and_not_collected(platform: SmallPlatform):
    cell = platform.cells[1]
    with refused(platform.file_of(cell)):
        found = plan(platform)
    assert found.rows == ()
    assert [(one.partition, one.why) for one in found.left_out] == [
        (cell, "it can't be looked at: Input/output error")
    ]
    assert plan(platform).left_out == ()


def test_a_folder_without_permission_ends_no_plan(platform: SmallPlatform):
    hidden = platform.file_of(platform.cells[0]).parent
    stat = Path.stat

    def denied(self: Path, **arguments: bool):
        if self.parent == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **arguments)

    with patch.object(Path, "stat", denied):
        found = plan(platform)
    assert found.rows == ()
    inside = {cell for cell in platform.cells if platform.file_of(cell).parent == hidden}
    assert {one.partition for one in found.left_out} == inside
    assert all("Permission denied" in one.why for one in found.left_out)
