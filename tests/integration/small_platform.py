"""A whole small platform in a directory: catalog, tiny models, definitions, instance, launcher."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml

from assets.partitions import Grid, build_grid
from definitions import Deployment, build_defs
from quarry.audit.cell import CellStatus
from quarry.audit.survey import survey
from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog, load_catalog
from quarry.keys import TrajectoryKey
from quarry.toy.mirror import write_toy_mirror
from quarry.toy.models import ToyBudget, train_toy_model
from resources.store import ObjectStoreResource
from sensors.launcher import Launcher, Outcome


@dataclass
class SmallPlatform:
    """Definitions over one catalog, with the instance that records their runs."""

    catalog: Catalog
    data_dir: Path
    launcher: Launcher
    instance: dg.DagsterInstance
    defs: dg.Definitions
    grid: Grid
    store: ObjectStoreResource

    @property
    def cells(self) -> list[str]:
        """Partition keys of the grid."""
        return [key.partition for key in self.catalog.cells()]

    def file_of(self, cell: str) -> Path:
        """The trajectory file of a cell."""
        return self.data_dir / TrajectoryKey.from_partition(cell).trajectory_path

    def statuses(self) -> dict[str, CellStatus]:
        """The audit's status of every cell."""
        audit = survey(self.catalog, self.data_dir)
        return {cell.key.partition: cell.status for cell in audit.cells}

    def damaged(self) -> dict[str, CellStatus]:
        """The cells whose file is not intact."""
        bad = {CellStatus.CORRUPTED, CellStatus.MISSING}
        return {cell: status for cell, status in self.statuses().items() if status in bad}


def tiny_checkpoint(directory: Path, seed: int = 0) -> tuple[Path, Path]:
    """A model trained for seconds and the toy mirror it was trained on."""
    mirror = directory / "mirror"
    write_toy_mirror(mirror, seed)
    model = directory / "tiny"
    train_toy_model(
        "base",
        model,
        source=BenchmarkSource(mirror=mirror, hub={}),
        seed=seed,
        parent=None,
        budget=ToyBudget.tiny(),
    )
    return model, mirror


def write_catalog(path: Path, model: Path, mirror: Path, **changes: object) -> Path:
    """A catalog of one model under two prompt styles and three benchmarks."""
    catalog = {
        "name": "small",
        "n_samples": 5,
        "shots": [1],
        "benchmark_source": {"kind": "mirror", "path": str(mirror)},
        "models": {
            "tiny_raw": {"path": str(model), "prompt_style": "raw"},
            "tiny_chat": {"path": str(model), "prompt_style": "chat"},
        },
        "benchmarks": {
            "gsm8k": {"format": "gsm8k", "stop": ["\n\nQuestion:"]},
            "humaneval": {
                "format": "humaneval",
                "exemplars": {"task": "mbpp", "split": "train"},
                "stop": ["\ndef "],
            },
            "logiqa": {"format": "logiqa", "stop": ["\n\nContext:"]},
        },
        "generation": {"max_new_tokens": 12},
        "effort": {"collect_gpu_hours": 1.5, "relabel_cpu_hours": 0.25},
        "scrub": {"cron": "0 0 29 2 *"},  # by itself it would begin at night, in whatever test runs
        **changes,
    }
    path.write_text(yaml.safe_dump(catalog, sort_keys=False), encoding="utf-8")
    return path


def open_platform(
    catalog: Path,
    data_dir: Path,
    instance: dg.DagsterInstance,
    *,
    store: str = "",
    realm: str = "production",
) -> SmallPlatform:
    """The platform of a catalog."""
    deployment = Deployment(catalog, data_dir, device="cpu", store=store, realm=realm)
    defs, entries = build_defs(deployment), load_catalog(catalog)
    grid = build_grid(entries)
    return SmallPlatform(
        entries,
        data_dir,
        Launcher(defs, grid, instance),
        instance,
        defs,
        grid,
        deployment.object_store().process_config_and_initialize(),
    )


def all_succeeded(outcomes: list[Outcome]) -> None:
    """Assert it, and show the reasons of those that did not."""
    assert [(o.partition, o.reason) for o in outcomes if not o.is_success] == []
