"""`manage.py`'s commands, run as a person would run them, on a grid of a test."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Protocol

ROOT = Path(__file__).resolve().parents[2]
CLEAN, FINDINGS, WRONG_USE = 0, 1, 2


class Place(Protocol):
    """Where a platform of a test is; its catalog is beside its data."""

    data_dir: Path


def start(
    command: str, grid: Place, *arguments: str, output: IO[str] | None = None
) -> subprocess.Popen[str]:
    """A command of `manage.py` on the grid, whose instance is in `home` beside its data.

    What it writes goes to a file, or to pipes that the caller reads.
    """
    folder = grid.data_dir.parent
    return subprocess.Popen(
        [sys.executable, "manage.py", command, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DAGSTER_HOME": str(folder / "home"),
            "QUARRY_CATALOG": str(folder / "catalog.yaml"),
            "QUARRY_DATA_DIR": str(grid.data_dir),
            "QUARRY_LEASE_DIR": str(folder / "leases"),
            "QUARRY_DEVICE": "cpu",
            "QUARRY_STORE": "off",
        },
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.PIPE,
        text=True,
    )


def call(command: str, grid: Place, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a command that ends by itself."""
    child = start(command, grid, *arguments)
    out, err = child.communicate()
    return child.returncode, out, err
