"""Bad input ends in one clear message: no traceback, nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.small_platform import write_catalog

ROOT = Path(__file__).resolve().parents[2]


def run_command(directory: Path, catalog: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` on a catalog, with data and instance below `directory`."""
    environment = {
        **os.environ,
        "QUARRY_CATALOG": str(catalog),
        "QUARRY_DATA_DIR": str(directory / "data"),
        "DAGSTER_HOME": str(directory / "home"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def published(directory: Path) -> list[str]:
    """Names of data files that carry a final name."""
    files = (directory / "data").rglob("*")
    return sorted(path.name for path in files if path.suffix in {".h5", ".parquet"})


def test_a_missing_catalog_is_named(tmp_path: Path):
    done = run_command(tmp_path, tmp_path / "none.yaml", "demo")
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_deployment_or_option_is_named_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done = run_command(tmp_path, tmp_path / "none.yaml", "plan", "--modle", "m")
    assert done.returncode == 2
    assert "Usage: quarry plan" in done.stderr
    monkeypatch.setenv("QUARRY_DEPLOYMENT", "locale")
    done = run_command(tmp_path, ROOT / "catalog/demo.yaml", "plan")
    assert done.returncode == 2
    assert "demo or local" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_wrong_key_of_a_catalog_is_named(tmp_path: Path):
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(
        "name: x\n"
        "models: {m: {prompt_style: shouted, path: .}}\n"
        "benchmarks: {gsm8k: {format: gsm9k}}\n"
        "benchmark_source: {kind: toy}\n"
    )
    done = run_command(tmp_path, catalog, "demo")
    assert done.returncode == 2
    assert "models.m.prompt_style" in done.stderr
    assert "benchmarks.gsm8k.format" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_mirror_is_named_and_nothing_is_written(tmp_path: Path):
    catalog = write_catalog(tmp_path / "catalog.yaml", tmp_path, tmp_path / "no-mirror")
    done = run_command(tmp_path, catalog, "demo")
    assert done.returncode == 1
    assert "no-mirror" in done.stderr
    assert "Traceback" not in done.stderr
    assert published(tmp_path) == []


@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_an_unreadable_checkpoint_is_named_and_no_trajectory_is_written(
    tmp_path: Path, tiny_model: tuple[Path, Path], damage: str
):
    model, mirror = tiny_model
    bad = tmp_path / "bad-model"
    if damage == "cut":
        shutil.copytree(model, bad)
        weights = bad / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    catalog = write_catalog(tmp_path / "catalog.yaml", bad, mirror)
    done = run_command(tmp_path, catalog, "backfill", "--missing", "--max", "1")
    assert done.returncode == 1
    assert "bad-model" in done.stderr
    assert "Traceback" not in done.stderr
    assert [name for name in published(tmp_path) if name.endswith(".h5")] == []
