"""Inference engines as a resource."""

import dagster as dg

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.inference.engine import InferenceEngine


class EngineResource(dg.ConfigurableResource):
    """Opens the engine of a model of the catalog.

    `device` is `auto`, `cpu` or `cuda`; `batch_size` overrides the catalog's where it is not 0.
    """

    device: str = "auto"
    batch_size: int = 0

    def open(self, catalog: Catalog, model: str, files: DataDirectory) -> InferenceEngine:
        """Load a model; the caller closes the engine.

        Raises:
            UnknownNameError: the catalog has no such model.
            ModelLoadError: the checkpoint can't be read.
        """
        from quarry.inference.loading import open_engine  # torch loads here, not with definitions

        spec = catalog.model(model)
        return open_engine(
            model,
            spec,
            files.checkpoint(model) if spec.recipe is not None else None,
            device=self.device,
            batch_size=self.batch_size or None,
        )
