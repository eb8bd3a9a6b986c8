"""The same grid on either engine, by configuration: the same tokens, texts and states."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.reader import TrajectoryReader
from tests.integration.small_platform import SmallPlatform, open_platform, write_catalog
from tests.vllm_environment import needs_vllm, vllm_python

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [needs_vllm, pytest.mark.slow, pytest.mark.timeout(900)]


def collected(
    folder: Path, tiny_model: tuple[Path, Path], engine: str
) -> dict[str, tuple[TrajectoryHeader, list[TrajectoryRow]]]:
    """Header and rows of every cell of a grid that `quarry collect` made with one engine."""
    (folder / "home").mkdir(parents=True)
    (folder / "home" / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    catalog = write_catalog(
        folder / "catalog.yaml", *tiny_model, inference={"engine": engine, "devices": ["cpu"]}
    )
    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        platform = open_platform(catalog, folder / "data", instance)
        assert all(outcome.is_success for outcome in platform.launcher.samples())
        done = subprocess.run(
            [sys.executable, "manage.py", "collect"],
            cwd=ROOT,
            env={
                **os.environ,
                "DAGSTER_HOME": str(folder / "home"),
                "QUARRY_CATALOG": str(catalog),
                "QUARRY_DATA_DIR": str(folder / "data"),
                "QUARRY_LEASE_DIR": str(folder / "leases"),
                "QUARRY_VLLM_PYTHON": vllm_python(),
                "QUARRY_STORE": "off",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {cell: _content(platform, cell) for cell in platform.cells}


def _content(platform: SmallPlatform, cell: str) -> tuple[TrajectoryHeader, list[TrajectoryRow]]:
    with TrajectoryReader(platform.file_of(cell)) as file:
        return file.header, list(file.iterate())


def test_the_grid_is_the_same_on_both_engines(
    tmp_path: Path, tiny_model: tuple[Path, Path]
) -> None:
    by_vllm = collected(tmp_path / "vllm", tiny_model, "vllm")
    by_transformers = collected(tmp_path / "transformers", tiny_model, "transformers")
    assert len(by_vllm) == 6
    for cell, (header, rows) in by_vllm.items():
        other_header, other_rows = by_transformers[cell]
        assert (header.engine["engine"], other_header.engine["engine"]) == ("vllm", "transformers")
        assert header.engine["weights"] == other_header.engine["weights"]
        for row, other in zip(rows, other_rows, strict=True):
            assert row.sample_id == other.sample_id
            assert row.token_ids.tolist() == other.token_ids.tolist()
            assert (row.model_output, row.finish_reason) == (
                other.model_output,
                other.finish_reason,
            )
            off = np.linalg.norm(
                row.hidden_states.astype(np.float32) - other.hidden_states.astype(np.float32),
                axis=-1,
            )
            length = np.linalg.norm(other.hidden_states.astype(np.float32), axis=-1)
            assert float((off / length).max()) < 2e-3
