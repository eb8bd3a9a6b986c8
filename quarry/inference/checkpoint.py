"""Reads a checkpoint with transformers: model and tokenizer, or one clear error.

Only safetensors are read, so no pickle is ever executed, and no code from a repository is run.
Which checkpoint a catalog entry means is decided in `loading`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from quarry.errors import ModelLoadError
from quarry.inference.checkpoint_checks import (
    as_load_error,
    check_architecture,
    check_complete,
    check_directory,
)
from quarry.inference.checkpoint_names import missing_weights
from quarry.inference.weights_identity import weights_identity

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A model on its device, ready for inference, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    revision: str | None

    @property
    def identity(self) -> str:
        """Which weights these are: the hub's commit, or a digest over a directory's files.

        Names, sizes and pieces of the files tell one training from the next without reading
        gigabytes.
        """
        return weights_identity(self.source, self.revision, self.model.config)


@dataclass(frozen=True)
class CheckpointOutline:
    """All of a checkpoint but its weights."""

    config: Any
    generation_config: Any
    tokenizer: PreTrainedTokenizerBase
    source: str
    revision: str | None

    @property
    def identity(self) -> str:
        """Which weights these are, as a `Checkpoint` of them says."""
        return weights_identity(self.source, self.revision, self.config)


def read_checkpoint(
    source: str | Path, *, revision: str | None, dtype: str, device: str
) -> Checkpoint:
    """Read a checkpoint from a directory or the hub.

    Args:
        source: a directory, or a hub id such as `allenai/Olmo-3-1025-7B`.
        revision: the hub revision; a directory has none.
        dtype: `auto`, `float32`, `bfloat16` or `float16`; `auto` is float32 on a CPU and the
            checkpoint's own dtype elsewhere.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.

    Raises:
        ModelLoadError: it is missing, damaged, incomplete or no causal language model.
        EngineMemoryError: the weights do not fit the device.
    """
    where = _checked(source)
    chosen = resolve_device(device)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    with without_progress_bars(), as_load_error(where, revision):
        check_architecture(AutoConfig.from_pretrained(where, **options), where)
        tokenizer: Any = AutoTokenizer.from_pretrained(where, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=resolve_dtype(dtype, chosen),
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        model, report = loaded
        check_complete(report, where)
        model.to(chosen).eval()
    return Checkpoint(model, tokenizer, where, revision)


def read_outline(source: str | Path, *, revision: str | None) -> CheckpointOutline:
    """Read config and tokenizer of a checkpoint from a directory or the hub, not its weights.

    Raises:
        ModelLoadError: it is missing, damaged, incomplete or no causal language model.
    """
    where = _checked(source)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    with without_progress_bars(), as_load_error(where, revision):
        config = AutoConfig.from_pretrained(where, **options)
        check_architecture(config, where)
        tokenizer: Any = AutoTokenizer.from_pretrained(where, **options)
        try:
            generation: Any = GenerationConfig.from_pretrained(where, **options)
        except OSError:  # a checkpoint may have none; transformers then makes it from the config
            generation = GenerationConfig.from_model_config(config)
        if Path(where).is_dir():
            check_complete({"missing_keys": missing_weights(Path(where), config)}, where)
    return CheckpointOutline(config, generation, tokenizer, where, revision)


def _checked(source: str | Path) -> str:
    """The source as transformers takes it; a directory is complete at first sight."""
    if isinstance(source, Path) or Path(source).is_dir():
        check_directory(Path(source))
    return str(source)


def resolve_device(device: str) -> torch.device:
    """The device of a name; `auto` takes the GPU where there is one.

    Raises:
        ModelLoadError: the device does not exist here.
    """
    has_cuda = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise _no_device(device) from error
    if chosen.type == "cuda" and (not has_cuda or (chosen.index or 0) >= torch.cuda.device_count()):
        raise _no_device(device)
    return chosen


def _no_device(device: str) -> ModelLoadError:
    """The error for a device that is not there."""
    return ModelLoadError(
        "A device does not exist here",
        where=device,
        expected=f"cpu, or one of {torch.cuda.device_count()} CUDA devices",
        got=device,
        fix="use `auto`, or name an existing device",
    )


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype | str:
    """The dtype to load with; half precision is slow on most CPUs, so `auto` avoids it there."""
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    known = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    if dtype not in known:
        raise ModelLoadError(
            "A dtype is not known",
            where="dtype",
            expected="auto, float32, bfloat16 or float16",
            got=dtype,
            fix="correct `dtype` of the model in the catalog",
        )
    return known[dtype]


@contextmanager
def without_progress_bars() -> Generator[None]:
    """No progress bars of transformers inside the block; run logs are for people."""
    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()
