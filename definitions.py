"""The only file that wires: deployments, their resources, and all definitions.

`build_defs(deployment)` can be called for several deployments side by side. Which one the code
location shows is chosen by environment variables:

    QUARRY_DEPLOYMENT        demo (default) or local
    QUARRY_CATALOG           catalog file; default catalog/demo.yaml, catalog/olmo3.yaml for local
    QUARRY_DATA_DIR          where files are published; default .quarry/<deployment>/data
    QUARRY_BENCHMARK_MIRROR  directory with benchmark files in their original formats; overrides the
                             catalog's source
    QUARRY_DEVICE            auto (default), cpu or cuda
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.audit import build_collection_audit
from assets.label_checks import build_label_checks
from assets.labels import build_labels
from assets.models import build_model_checkpoints
from assets.partitions import build_grid
from assets.source_checks import build_source_checks
from assets.sources import build_benchmark_samples
from assets.trajectories import build_trajectories
from assets.trajectory_checks import build_trajectory_checks
from io_managers.hdf5 import Hdf5IOManager, Hdf5ViewIOManager
from io_managers.parquet import ParquetIOManager
from quarry.catalog import load_catalog
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.engines import EngineResource
from resources.files import FilesResource
from resources.graders import GraderResource
from sensors.adoption import build_adoption_sensor
from sensors.jobs import build_jobs
from sensors.scrub import build_scrub_schedule
from sensors.verification import build_schedules, build_sensors

ROOT = Path(__file__).resolve().parent

# 1.13 calls the data version of an output beta and would say so in every run's log
warnings.filterwarnings("ignore", message="Parameter `data_version`", category=dg.BetaWarning)


@dataclass(frozen=True)
class Deployment:
    """Where one set of definitions finds its catalog, its files and its hardware."""

    catalog: Path
    data_dir: Path
    mirror: str = ""
    device: str = "auto"

    def resources(self) -> dict[str, object]:
        """Every resource and IO manager by key."""
        data_dir = str(self.data_dir)
        return {
            "catalog": CatalogResource(path=str(self.catalog)),
            "files": FilesResource(data_dir=data_dir),
            "benchmarks": BenchmarkSourceResource(mirror=self.mirror),
            "engines": EngineResource(device=self.device),
            "graders": GraderResource(),
            "hdf5": Hdf5IOManager(data_dir=data_dir),
            "hdf5_view": Hdf5ViewIOManager(data_dir=data_dir),
            "parquet": ParquetIOManager(data_dir=data_dir),
        }


def build_defs(deployment: Deployment) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors of a deployment."""
    catalog = load_catalog(deployment.catalog)
    grid = build_grid(catalog)
    return dg.Definitions(
        assets=[
            build_benchmark_samples(grid),
            build_model_checkpoints(catalog, grid),
            build_trajectories(grid),
            *build_labels(grid),
            build_collection_audit(),
        ],
        asset_checks=[
            *build_source_checks(grid),
            *build_trajectory_checks(grid),
            *build_label_checks(grid),
        ],
        jobs=build_jobs(),
        schedules=[*build_schedules(), build_scrub_schedule(catalog.scrub, grid)],
        sensors=[*build_sensors(grid), build_adoption_sensor(grid)],
        resources=deployment.resources(),
    )


def _setting(name: str, default: str) -> str:
    """An environment variable, read in this file alone."""
    return dg.EnvVar(name).get_value(default) or default


def current_deployment() -> Deployment:
    """The deployment that the environment names."""
    name = _setting("QUARRY_DEPLOYMENT", "demo")
    catalogs = {"demo": "catalog/demo.yaml", "local": "catalog/olmo3.yaml"}
    return Deployment(
        catalog=ROOT / _setting("QUARRY_CATALOG", catalogs.get(name, "catalog/demo.yaml")),
        data_dir=ROOT / _setting("QUARRY_DATA_DIR", f".quarry/{name}/data"),
        mirror=_setting("QUARRY_BENCHMARK_MIRROR", ""),
        device=_setting("QUARRY_DEVICE", "auto"),
    )


defs = build_defs(current_deployment())
