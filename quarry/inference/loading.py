"""Opens the engine that a catalog entry means: hub id, local path or toy recipe.

How a checkpoint is read lives in `checkpoint`. Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from quarry.catalog import ModelSpec
from quarry.errors import ModelLoadError
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.inference.engine import InferenceEngine


def open_engine(
    name: str,
    spec: ModelSpec,
    checkpoint_dir: Path | None,
    *,
    device: str = "auto",
    batch_size: int | None = None,
) -> InferenceEngine:
    """Load a model of the catalog.

    Args:
        name: the model's name in the catalog, for messages.
        spec: its entry.
        checkpoint_dir: where the platform keeps the model that it trained itself; needed for a
            recipe, and preferred to the hub where it is given.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        batch_size: sequences at once; None takes the catalog's.

    Raises:
        ModelLoadError: the checkpoint is missing, damaged or no causal language model, or the hub
            can't be reached.
        EngineMemoryError: the weights do not fit the device.
    """
    let_threads_sleep()
    # Imported only here: this brings torch and transformers.
    from quarry.inference.transformers_engine import TransformersEngine

    source = _source(name, spec, checkpoint_dir)
    revision = spec.revision if isinstance(source, str) else None
    return TransformersEngine.load(
        source,
        revision=revision,
        dtype=spec.dtype,
        device=device,
        batch_size=batch_size or spec.batch_size,
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
