"""The installed command, and a real grid for it to look at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quarry.catalog import load_catalog
from quarry.grading.grader import GRADER_VERSIONS
from tests.audit.grid_on_disk import CATALOG_YAML, write_grid

QUARRY = [sys.executable, "-c", "from quarry.cli.main import run; run()"]

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Runs `quarry` in a process of its own; stdout and stderr are kept apart."""

    def call(*arguments: object, cwd: Path | None = None, stdin: str = "", **variables: str):
        unset = {"QUARRY_CATALOG", "QUARRY_DATA_DIR", "QUARRY_DEPLOYMENT"}
        unset |= {"QUARRY_BENCHMARK_MIRROR", "QUARRY_MIRROR"}
        kept = {name: text for name, text in os.environ.items() if name not in unset}
        return subprocess.run(
            [*QUARRY, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**kept, "COLUMNS": "120", **variables},
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def pristine_grid(tmp_path_factory) -> Path:
    """A directory with `catalog.yaml` and a complete `data/`; never changed."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "catalog.yaml").write_text(CATALOG_YAML)
    write_grid(folder / "data", load_catalog(folder / "catalog.yaml"), GRADER_VERSIONS)
    return folder


@pytest.fixture
def grid(pristine_grid, tmp_path) -> Path:
    """A copy of the grid that a test may damage."""
    return shutil.copytree(pristine_grid, tmp_path / "grid")
