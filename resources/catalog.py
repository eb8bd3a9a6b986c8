"""The catalog as a resource."""

from functools import lru_cache
from pathlib import Path

import dagster as dg

from quarry.catalog import Catalog, load_catalog


@lru_cache(maxsize=8)
def _cached(path: str, modified_ns: int) -> Catalog:
    """A catalog, read again when its file changes."""
    del modified_ns
    return load_catalog(Path(path))


class CatalogResource(dg.ConfigurableResource):
    """Which models, benchmarks and settings exist."""

    path: str

    def load(self) -> Catalog:
        """The validated catalog.

        Raises:
            CatalogError: the file is missing or malformed.
        """
        file = Path(self.path)
        return _cached(self.path, file.stat().st_mtime_ns) if file.exists() else load_catalog(file)
