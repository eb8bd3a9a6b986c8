"""What is due although there is a file: it is of older inputs, or has not its model's states."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quarry.trajectory.manifest import manifest_path, read_manifest
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.integration.test_collecting import grid, steps  # noqa: F401  a fixture
from tests.integration.test_semantic import plant

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


def test_a_failed_run_over_a_file_of_older_samples_is_made_up_for(
    tmp_path: Path, tiny_model: tuple[Path, Path]
):
    def opened(**changes: Any) -> SmallPlatform:
        models = {"tiny_raw": {"path": str(tmp_path / "model"), "prompt_style": "raw"}}
        catalog = write_catalog(tmp_path / "catalog.yaml", *tiny_model, models=models, **changes)
        platform = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        return platform

    with dg.instance_for_test() as instance:
        (tmp_path / "model").symlink_to(tiny_model[0])
        small = opened()
        cell = small.cells[0]
        all_succeeded([small.launcher.collect_grid([cell])])
        small = opened(seed=7, n_samples=9)
        (tmp_path / "model").rename(tmp_path / "away")
        assert not next(small.launcher.cells([cell])).is_success
        (tmp_path / "away").rename(tmp_path / "model")
        assert small.launcher.failed() == {cell}
        assert steps(small)[cell].step == "collect"
        all_succeeded([small.launcher.collect_grid([cell])])
        assert read_manifest(manifest_path(small.file_of(cell))).n_samples == 9


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_cell_with_other_states_than_its_models_is_due_and_keeps_none_of_its_rows(
    grid: SmallPlatform,  # noqa: F811
    is_damaged: bool,
):
    cell = grid.cells[0]
    all_succeeded([grid.launcher.collect_grid([cell])])
    right = read_manifest(manifest_path(grid.file_of(cell))).content_digest
    plant(grid, cell)
    assert steps(grid)[cell].step is None
    assert grid.launcher.semantics(rows=0).reason
    if is_damaged:
        content = bytearray(grid.file_of(cell).read_bytes())
        content[len(content) // 2] ^= 0xFF
        grid.file_of(cell).write_bytes(content)
    assert steps(grid)[cell].step == "collect"
    all_succeeded([grid.launcher.collect_grid([cell])])
    assert read_manifest(manifest_path(grid.file_of(cell))).content_digest == right
    assert steps(grid)[cell].step is None
