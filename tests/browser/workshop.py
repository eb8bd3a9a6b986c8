"""A folder in which a person works: a checkout, a catalog, data, an instance, all to be changed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml

from quarry.keys import TrajectoryKey
from tests.integration.small_platform import (
    all_succeeded,
    open_platform,
    tiny_checkpoint,
    write_catalog,
)

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("quarry", "assets", "resources", "io_managers", "sensors", "commands", "quarry_dagster")
SOURCE_FILES = ("*.py", "workspace.yaml", "dagster.yaml", "pyproject.toml")


@dataclass(frozen=True)
class Workshop:
    """Where everything of one journey is.

    Args:
        folder: holds the rest; the journey's own.
    """

    folder: Path

    @property
    def root(self) -> Path:
        """The checkout whose code is served."""
        return self.folder / "checkout"

    @property
    def home(self) -> Path:
        """The Dagster instance."""
        return self.folder / "home"

    @property
    def data_dir(self) -> Path:
        """The published files."""
        return self.folder / "data"

    @property
    def catalog(self) -> Path:
        """The catalog file."""
        return self.folder / "catalog.yaml"

    @property
    def model_path(self) -> str:
        """The trained model's directory."""
        catalog = yaml.safe_load(self.catalog.read_text(encoding="utf-8"))
        return catalog["models"]["toy_base"]["path"]

    def environment(self) -> dict[str, str]:
        """What Dagster and commands find in their environment."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("QUARRY_", "DAGSTER_"))},
            "PYTHONPATH": str(self.root),
            "DAGSTER_HOME": str(self.home),
            "QUARRY_CATALOG": str(self.catalog),
            "QUARRY_DATA_DIR": str(self.data_dir),
            "QUARRY_LEASE_DIR": str(self.folder / "leases"),
            "QUARRY_DEVICE": "cpu",
            "QUARRY_STORE": "off",
            "OMP_NUM_THREADS": "1",
        }

    def file_of(self, cell: str) -> Path:
        """The trajectory file of a cell."""
        return self.data_dir / TrajectoryKey.from_partition(cell).trajectory_path

    def copy(self, folder: Path) -> "Workshop":
        """The same in another folder; the trained model and the mirror stay where they are."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("tiny", "mirror"))
        return Workshop(folder)

    def add_models(self, models: Mapping[str, Mapping[str, str]]) -> None:
        """Write further models into the catalog, as a person would with an editor."""
        catalog = yaml.safe_load(self.catalog.read_text(encoding="utf-8"))
        catalog["models"] |= models
        self.catalog.write_text(yaml.safe_dump(catalog, sort_keys=False), encoding="utf-8")

    def quarry(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `quarry`, as a person types it."""
        code = "from quarry.cli.main import run; run()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )


def build_workshop(folder: Path) -> Workshop:
    """A workshop with a grid of two models and six benchmarks, collected and labelled.

    Args:
        folder: an empty one.
    """
    workshop = Workshop(folder)
    for name in SOURCE:
        shutil.copytree(
            ROOT / name, workshop.root / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for pattern in SOURCE_FILES:
        for path in ROOT.glob(pattern):
            shutil.copy(path, workshop.root)
    workshop.home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", workshop.home)
    model, mirror = tiny_checkpoint(folder)
    models = {
        "toy_base": {"path": str(model), "prompt_style": "raw"},
        "toy_chat": {"path": str(model), "prompt_style": "chat"},
    }
    write_catalog(workshop.catalog, model, mirror, models=models, n_samples=8, shots=[0, 1])
    with dg.DagsterInstance.from_config(str(workshop.home)) as instance:
        platform = open_platform(workshop.catalog, workshop.data_dir, instance)
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        all_succeeded([platform.launcher.roll_up(), platform.launcher.audit()])
    return workshop
