"""A file that can't be read costs its own checkpoint alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.sampling.runs import find_runs
from tests.sampling.run_folders import FINAL, make_checkpoint, spec


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="nobody can read that file")
def test_one_checkpoint_that_can_not_be_read_leaves_the_others(tmp_path: Path) -> None:
    outputs = tmp_path / "data" / "outputs"
    for run in ("mayors-1epoch", "mayors-5epochs"):
        make_checkpoint(outputs / run / FINAL)
    broken = outputs / "mayors-1epoch" / FINAL
    (broken / "generation_config.json").symlink_to("/proc/self/mem")
    runs = find_runs(spec(), tmp_path / "data", tmp_path)
    assert [one.key.run for one in runs.checkpoints] == ["mayors-5epochs"]
    [left_out] = runs.rejected
    assert left_out.path == broken
    assert "can't be read" in left_out.why
