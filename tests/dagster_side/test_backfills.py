"""What a backfill is launched with: exactly the cells of the plan, as few ranges."""

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from assets.partitions import build_grid
from quarry.keys import TrajectoryKey
from sensors.backfills import assets_of, cell_ranges
from tests.costs.records import catalog

MODEL = {"path": "somewhere", "prompt_style": "raw"}
ENTRIES = catalog(models={f"model-{number}": MODEL for number in (3, 1, 4, 15, 9, 2)})
GRID = build_grid(ENTRIES)


@given(st.sets(st.sampled_from(ENTRIES.cells())))
def test_ranges_are_exactly_the_cells(keys: set[TrajectoryKey]):
    held = [
        str(cell)
        for one in cell_ranges(sorted(keys), GRID)
        for cell in GRID.cells.get_partition_keys_in_range(
            dg.PartitionKeyRange(one["start"], one["end"])
        )
    ]
    assert sorted(held) == sorted(key.partition for key in keys)


def test_a_whole_grid_is_a_range_a_benchmark():
    assert len(cell_ranges(ENTRIES.cells(), GRID)) == len(GRID.benchmarks.get_partition_keys())


def test_labels_alone_never_take_the_trajectories_along():
    assert "trajectories" in assets_of("collect", has_store=True)
    assert assets_of("label", has_store=True) == [
        "correctness_labels",
        "labelled_trajectories",
        "label_changes",
        "remote_labels",
    ]
    assert assets_of("copy", has_store=True) == ["remote_trajectories", "remote_labels"]
    assert "remote_trajectories" not in assets_of("collect", has_store=False)
