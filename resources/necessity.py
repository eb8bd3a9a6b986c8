"""Methods that test whether a model needs its chain of thought, as a resource."""

from pathlib import Path

import dagster as dg

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.inference.leasing import EngineRequest
from quarry.necessity.candidates import helpers_of
from quarry.necessity.method import NecessityMethod
from quarry.necessity.opening import open_method
from quarry.necessity.problem import Problem
from resources.engines import EngineResource


class NecessityResource(dg.ConfigurableResource):
    """Opens the method of a model of `reasoning.models`, on devices that it has for itself."""

    engines: dg.ResourceDependency[EngineResource]

    def open(
        self,
        catalog: Catalog,
        model: str,
        files: DataDirectory,
        source: BenchmarkSource,
        pool: list[Problem],
        base_dir: Path,
    ) -> NecessityMethod:
        """Lease devices and load a model on them; closing the method gives them back.

        Args:
            catalog: the model's entry, devices, limits.
            model: its name under `reasoning.models`.
            files: where checkpoints are that were trained here.
            source: of the benchmarks, for worked examples.
            pool: all candidates, of which some serve as reference problems.
            base_dir: where relative paths of the catalog start.

        Raises:
            QuarryError: see `open_method`.
        """
        request: EngineRequest = self.engines.request(model)
        helpers = helpers_of(catalog, model, source, pool)
        log = dg.get_dagster_logger().info
        return open_method(request, catalog, files, helpers, base_dir=base_dir, log=log)
