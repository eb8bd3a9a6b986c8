"""Benchmark sources as a resource."""

from pathlib import Path

import dagster as dg

from quarry.benchmarks.source import BenchmarkSource, open_source
from quarry.catalog import BenchmarkSourceSpec, Catalog
from quarry.data_directory import DataDirectory


class BenchmarkSourceResource(dg.ConfigurableResource):
    """Reads benchmarks from where the catalog says, or from `mirror` if it is set."""

    mirror: str = ""

    def open(self, catalog: Catalog, files: DataDirectory, base_dir: Path) -> BenchmarkSource:
        """The source of a catalog's benchmarks.

        Raises:
            SourceMissingError: the mirror does not exist.
        """
        spec = catalog.benchmark_source
        if self.mirror:
            spec = BenchmarkSourceSpec(kind="mirror", path=Path(self.mirror))
        return open_source(spec, toy_dir=files.toy_mirror, base_dir=base_dir)
