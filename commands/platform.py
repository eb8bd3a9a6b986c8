"""`Platform`: definitions, instance and launcher of the current deployment, for one command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from quarry.deployments import DEPLOYMENT_VARIABLE, require_deployment

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from assets.partitions import Grid
    from quarry.catalog import Catalog
    from quarry.data_directory import DataDirectory
    from resources.store import ObjectStoreResource
    from sensors.evaluation_launcher import EvaluationLauncher
    from sensors.reasoning_launcher import ReasoningLauncher

console = Console(stderr=True, highlight=False)
ROOT = Path(__file__).resolve().parents[1]


def prepare_instance() -> Path:
    """Make the Dagster instance's directory, with settings, unless the user has one already."""
    # spinning idle threads made a step ten times slower on busy cores; torch reads it on import
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    deployment = require_deployment(os.environ.get(DEPLOYMENT_VARIABLE) or "demo")
    home = Path(
        os.environ.setdefault("DAGSTER_HOME", str(ROOT / ".quarry" / deployment / "dagster"))
    )
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    return home


class Platform:
    """Definitions, grid, catalog and launcher of the current deployment, loaded once."""

    def __init__(self) -> None:
        """Load the definitions; takes about two seconds."""
        self.home = prepare_instance()
        sys.path.insert(0, str(ROOT))
        import dagster as dg

        import definitions
        from assets.partitions import build_grid
        from quarry.catalog import load_catalog
        from quarry.data_directory import DataDirectory
        from sensors.launcher import Launcher
        from sensors.orphans import reconcile

        self.deployment = definitions.current_deployment()
        self.catalog = load_catalog(self.deployment.catalog)
        self.grid = build_grid(self.catalog)
        self.instance = dg.DagsterInstance.get()
        self.graph = definitions.defs.resolve_asset_graph()
        for orphan in reconcile(self.instance, self.deployment.data_dir):
            console.print(f"ended a dead run of {orphan.job_name}: {orphan.reason}", markup=False)
        self.launcher = Launcher(definitions.defs, self.grid, self.instance)
        self.directory = DataDirectory(self.deployment.data_dir)
        self.store = self.deployment.object_store().process_config_and_initialize()
        self.cells = [key.partition for key in self.catalog.cells()]

    def reasoning(self) -> ReasoningLauncher:
        """The launcher of tests of necessity.

        Raises:
            CatalogError: the catalog has none.
        """
        from assets.partitions import build_reasoning_partitions
        from sensors.reasoning_launcher import ReasoningLauncher

        spec = self.catalog.reasoning_spec()
        partitions = build_reasoning_partitions(spec)
        return ReasoningLauncher(self.launcher, self.instance, spec, partitions)

    def evaluation(self) -> EvaluationLauncher:
        """The launcher of evaluation sets.

        Raises:
            CatalogError: the catalog has none.
        """
        from sensors.evaluation_launcher import EvaluationLauncher

        spec, base_dir = self.catalog.evaluation_spec(), self.deployment.catalog.parent
        return EvaluationLauncher(self.launcher, self.instance, spec, self.directory, base_dir)

    @property
    def healing_inputs(
        self,
    ) -> tuple[DagsterInstance, Grid, Catalog, DataDirectory, ObjectStoreResource]:
        """What a heal plan is made of."""
        return self.instance, self.grid, self.catalog, self.directory, self.store
