"""Opens the engine that a catalog entry means: hub id, local path or toy recipe.

How a checkpoint is read lives in `checkpoint`. Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from quarry.catalog import ModelSpec
from quarry.errors import ModelLoadError, UsageError
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.inference.engine import InferenceEngine
from quarry.inference.engine_settings import EngineSettings


def open_engine(
    name: str,
    spec: ModelSpec,
    checkpoint_dir: Path | None,
    settings: EngineSettings | None = None,
) -> InferenceEngine:
    """Load a model of the catalog.

    Args:
        name: the model's name in the catalog, for messages.
        spec: its entry.
        checkpoint_dir: where the platform keeps the model that it trained itself; needed for a
            recipe, and preferred to the hub where it is given.
        settings: which engine, on which devices, with how much memory.

    Raises:
        ModelLoadError: the checkpoint is missing, damaged or no causal language model, the hub
            can't be reached, or vLLM is not installed where it should run.
        EngineMemoryError: the weights do not fit the device.
        UsageError: the transformers engine is asked for several devices.
    """
    chosen = settings or EngineSettings()
    let_threads_sleep()
    source = _source(name, spec, checkpoint_dir)
    revision = spec.revision if isinstance(source, str) else None
    batch_size = chosen.batch_size or spec.batch_size
    if chosen.engine == "vllm":
        # Imported only here: this brings transformers.
        from quarry.inference.vllm_engine import VllmEngine

        return VllmEngine.load(
            source, revision=revision, dtype=spec.dtype, batch_size=batch_size, settings=chosen
        )
    # Imported only here: this brings torch and transformers.
    from quarry.inference.transformers_engine import TransformersEngine

    return TransformersEngine.load(
        source,
        revision=revision,
        dtype=spec.dtype,
        device=_only_device(name, chosen),
        batch_size=batch_size,
    )


def _only_device(name: str, settings: EngineSettings) -> str:
    """The one device of an engine that does not split a model."""
    if len(settings.devices) == 1:
        return settings.devices[0]
    raise UsageError(
        "The transformers engine runs a model on one device",
        where=f"model {name!r}",
        expected="one device",
        got=", ".join(settings.devices) or "none",
        fix="set `engine: vllm` for this model, or `tensor_parallel: 1`",
    )


def _source(name: str, spec: ModelSpec, checkpoint_dir: Path | None) -> str | Path:
    """A directory, or the hub id."""
    if checkpoint_dir is not None:
        return checkpoint_dir
    if spec.path is not None:
        return spec.path
    if spec.hub_id is not None:
        return spec.hub_id
    raise ModelLoadError(
        "A model that the platform trains itself has no checkpoint",
        where=f"model {name!r}, recipe {spec.recipe!r}",
        expected="a checkpoint directory",
        got="none",
        fix=f"materialise `model_checkpoints` for {name}",
    )
