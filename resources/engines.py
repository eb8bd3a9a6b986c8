"""Inference engines as a resource."""

import dagster as dg

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.inference.engine import InferenceEngine
from quarry.inference.engine_settings import EngineSettings


class EngineResource(dg.ConfigurableResource):
    """Opens the engine of a model of the catalog.

    `device` is `auto`, `cpu` or `cuda:<n>`; `batch_size` overrides the catalog's where it is not 0;
    `vllm_python` is the interpreter that has vLLM, this one if empty.
    """

    device: str = "auto"
    batch_size: int = 0
    vllm_python: str = ""

    def open(self, catalog: Catalog, model: str, files: DataDirectory) -> InferenceEngine:
        """Load a model; the caller closes the engine.

        Raises:
            UnknownNameError: the catalog has no such model.
            ModelLoadError: the checkpoint can't be read.
        """
        from quarry.inference.loading import open_engine  # torch loads here, not with definitions

        spec = catalog.model(model)
        settings = EngineSettings(
            engine=catalog.engine_of(model),
            devices=(self.device,),
            batch_size=self.batch_size or None,
            memory_share=catalog.inference.memory_share,
            spool_bytes=catalog.inference.spool_bytes,
            vllm_python=self.vllm_python,
        )
        checkpoint = files.checkpoint(model) if spec.recipe is not None else None
        return open_engine(model, spec, checkpoint, settings)
