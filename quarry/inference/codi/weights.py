"""The tensors of a CODI checkpoint, by name: safetensors or `.bin`, in one file or in shards.

A `.bin` file is a pickle: it is read by an unpickler that knows tensors and nothing else, so that
nothing in it is executed. What the names mean is in `names`.
"""

# torch, safetensors and huggingface_hub type their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file

from quarry.errors import ModelLoadError

_STEMS = (("model", ".safetensors"), ("pytorch_model", ".bin"))


def weights_folder(source: str | Path, revision: str | None) -> Path:
    """The directory with the weights; from the hub `.bin` is fetched only for want of another."""
    if isinstance(source, Path) or Path(source).exists():
        return Path(source)
    folder = Path(source)
    for stem, ending in _STEMS:
        patterns = [f"{stem}*{ending}", f"{stem}{ending}.index.json"]
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=patterns))
        if any(folder.glob(f"*{ending}")):
            break
    return folder


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of the first of `model.safetensors`, `pytorch_model.bin` that is there.

    Raises:
        ModelLoadError: there is neither, a shard is missing or damaged, or a file holds anything
            but tensors.
    """
    for stem, ending in _STEMS:
        files = _files(folder, stem + ending)
        if files:
            tensors: dict[str, torch.Tensor] = {}
            for file in files:
                tensors.update(_tensors(file))
            return tensors
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    raise ModelLoadError(
        "A CODI checkpoint has no weights",
        where=str(folder),
        expected="model.safetensors or pytorch_model.bin, or shards of it with their index",
        got=", ".join(there[:12]) or "nothing there",
        fix="correct the path of the checkpoint, or fetch it again",
    )


def _files(folder: Path, name: str) -> list[Path]:
    """The file of this name, or the shards that its index lists; empty where there is neither."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    listed: Any = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
    names = sorted({str(shard) for shard in listed.values()})
    for shard in names:
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise ModelLoadError(
                "A shard of a CODI checkpoint is missing",
                where=str(index),
                expected=f"{len(names)} shards beside their index",
                got=f"no file {shard!r}",
                fix="fetch the checkpoint again",
            )
    return [folder / shard for shard in names]


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of one file, on the CPU."""
    if file.suffix == ".safetensors":
        return load_file(file)
    try:
        loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
    # What the restricted unpickler raises is of a module that has no place here.
    except Exception as error:
        raise _not_tensors(file, str(error).split(". ")[0]) from error
    if not isinstance(loaded, dict):
        raise _not_tensors(file, f"a {type(loaded).__name__}")
    others = [str(name) for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise _not_tensors(file, ", ".join(others[:5]))
    return {str(name): value for name, value in loaded.items()}


def _not_tensors(file: Path, got: str) -> ModelLoadError:
    """The error for a `.bin` that is damaged, or is more than a state dict."""
    return ModelLoadError(
        "A weights file is not a plain dictionary of tensors",
        where=str(file),
        expected="a state dict as torch.save writes it, without any other object",
        got=" ".join(got.split())[:200],
        fix="fetch it again; what is not plain tensors is never opened, since opening runs code: "
        "ask the authors for safetensors",
    )
