"""Reads a checkpoint with transformers: model and tokenizer, or one clear error.

Only safetensors are read, so no pickle is ever executed, and no code from a repository is run.
Which checkpoint a catalog entry means is decided in `loading`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from blake3 import blake3
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from quarry.errors import EngineMemoryError, ModelLoadError, QuarryError
from quarry.inference.batching import is_out_of_memory

logger = logging.getLogger(__name__)

_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_END_BYTES = 64 << 10
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")


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

        Names, sizes, times, and first and last 64 KiB of the files tell one training from the next
        without reading gigabytes.
        """
        directory = Path(self.source)
        if not directory.is_dir():
            commit = getattr(self.model.config, "_commit_hash", None)
            return f"{self.source}@{commit or self.revision}"
        digest = blake3()
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                status = path.stat()
                listed = [path.name, status.st_size, status.st_mtime_ns]
                digest.update(json.dumps(listed).encode())
                digest.update(_ends(path, status.st_size))
        return digest.hexdigest()


def _ends(path: Path, size_bytes: int) -> bytes:
    """The first and the last 64 KiB of a file."""
    with path.open("rb") as file:
        first = file.read(_END_BYTES)
        file.seek(max(0, size_bytes - _END_BYTES))
        return first + file.read(_END_BYTES)


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
    directory = Path(source) if isinstance(source, Path) or Path(source).is_dir() else None
    if directory is not None:
        _check_directory(directory)
    where = str(source)
    chosen = resolve_device(device)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    with without_progress_bars(), _as_load_error(where, revision):
        _check_architecture(AutoConfig.from_pretrained(where, **options), where)
        tokenizer: Any = AutoTokenizer.from_pretrained(where, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=_resolve_dtype(dtype, chosen),
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        model, report = loaded
        _check_complete(report, where)
        model.to(chosen).eval()
    return Checkpoint(model, tokenizer, where, revision)


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


def _resolve_dtype(dtype: str, device: torch.device) -> torch.dtype | str:
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


def _check_directory(directory: Path) -> None:
    """Name what a checkpoint directory lacks before anything is loaded."""
    needed = {
        "a directory": directory.is_dir(),
        "config.json": (directory / "config.json").is_file(),
        "weights in *.safetensors": any(directory.glob("*.safetensors")),
        "a tokenizer (tokenizer.json)": any(
            any(directory.glob(pattern)) for pattern in _TOKENIZER_FILES
        ),
    }
    missing = [name for name, is_there in needed.items() if not is_there]
    if not missing:
        return
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    raise ModelLoadError(
        f"A checkpoint lacks {missing[0]}",
        where=str(directory),
        expected="config.json, *.safetensors and tokenizer.json",
        got=", ".join(names[:12]) or "nothing there",
        fix="materialise `model_checkpoints` of this model, or correct its path; weights in "
        "pickle files (*.bin, *.pt) are never read, convert them to safetensors",
    )


def _check_architecture(config: Any, where: str) -> None:
    """Refuse models that do not predict the next token."""
    names = [str(name) for name in (config.architectures or [])]
    if names and not config.is_encoder_decoder and any(name.endswith(_CAUSAL) for name in names):
        return
    raise ModelLoadError(
        "A checkpoint is not a causal language model",
        where=where,
        expected="an architecture such as Olmo3ForCausalLM",
        got=", ".join(names) or "no architecture in config.json",
        fix="name a decoder-only language model in the catalog",
    )


def _check_complete(report: Any, where: str) -> None:
    """Refuse weights that transformers would otherwise fill with random numbers."""
    missing = sorted(str(name) for name in report["missing_keys"])
    mismatched = sorted(str(entry) for entry in report.get("mismatched_keys", ()))
    if not missing and not mismatched:
        return
    raise ModelLoadError(
        f"A checkpoint lacks {len(missing) + len(mismatched)} weights of its architecture",
        where=where,
        expected="every weight that config.json implies, in its shape",
        got=", ".join([*missing, *mismatched][:5]),
        fix="fetch or train the checkpoint again; it is incomplete",
    )


@contextmanager
def _as_load_error(where: str, revision: str | None) -> Generator[None]:
    """Turn what transformers, safetensors, tokenizers and the hub client raise into one error."""
    try:
        yield
    except QuarryError:
        raise
    # `tokenizers` raises the bare Exception class for a damaged tokenizer.json.
    except Exception as error:  # noqa: BLE001
        _raise_load_error(error, where, revision)


def _raise_load_error(error: Exception, where: str, revision: str | None) -> NoReturn:
    """One message; the original stays attached as the cause."""
    got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    place = where if revision is None else f"{where} at revision {revision}"
    if is_out_of_memory(error):
        raise EngineMemoryError(
            "A model does not fit the device",
            where=place,
            expected="room for the weights",
            got=got,
            fix="use a smaller dtype, another device or a smaller model",
        ) from error
    if Path(where).is_dir():
        fix = "fetch or train the checkpoint again; a file of it is damaged or of another kind"
    else:
        fix = (
            "check the hub id and revision; without network, download it where there is one "
            "(`hf download`), or point the catalog at a local `path`"
        )
    raise ModelLoadError(
        "A checkpoint can't be read",
        where=place,
        expected="a causal language model in safetensors with its tokenizer",
        got=got,
        fix=fix,
    ) from error


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
