"""Whether a checkpoint directory is whole, from names, sizes and the first bytes of its weights.

A checkpoint that is still being written, or whose upload was cut off, is never sampled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

_WEIGHTS = "model.safetensors"
_INDEX = f"{_WEIGHTS}.index.json"
_FREE_TEXT = "__metadata__"
_LENGTH_BYTES = 8
_TAIL_BYTES = 64
_LONGEST_HEADER_BYTES = 100 << 20


def what_is_missing(directory: Path) -> str:
    """What a checkpoint lacks, as a clause such as `no config.json`; empty when it is whole."""
    try:
        if not (directory / "config.json").is_file():
            return "no config.json"
        tokenizers = [directory / name for name in ("tokenizer.json", "tokenizer.model")]
        tokenizer = next((path for path in tokenizers if path.is_file()), None)
        if tokenizer is None:
            return "no tokenizer.json"
        shards = _shards(directory)
        if not shards:
            return f"neither {_WEIGHTS} nor {_INDEX}"
        absent = next((name for name in shards if not (directory / name).is_file()), None)
        if absent:
            return f"no {absent}"
        texts = (path for path in (directory / "config.json", tokenizer) if not _ends_well(path))
        weights = (directory / name for name in shards if not _has_its_size(directory / name))
        cut_off = next(texts, None) or next(weights, None)
    except OSError as error:
        return f"a file that can't be read: {error.strerror}"
    return f"only a part of {cut_off.name}" if cut_off else ""


def _shards(directory: Path) -> list[str]:
    """The files of the weights; with an index, those that it names."""
    if not (directory / _INDEX).is_file():
        return [_WEIGHTS] if (directory / _WEIGHTS).is_file() else []
    weight_map: Any = _mapping((directory / _INDEX).read_bytes()).get("weight_map")
    if not weight_map or not isinstance(weight_map, dict):
        return [_INDEX]  # still being written: what lacks the header of weights is no whole file
    return sorted({str(name) for name in cast("dict[str, Any]", weight_map).values()})


def _ends_well(path: Path) -> bool:
    """Whether a text in JSON has its last brace; another file, whether there is anything in it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read().rstrip()
    return tail.endswith(b"}") if path.suffix == ".json" else bool(tail)


def _has_its_size(path: Path) -> bool:
    """Whether a file of weights has the size that its header tells of."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > _LONGEST_HEADER_BYTES:
            return False
        header = _mapping(file.read(length))
    try:
        ends = [int(one["data_offsets"][1]) for name, one in header.items() if name != _FREE_TEXT]
    except (TypeError, ValueError, LookupError):
        return False
    return bool(ends) and path.stat().st_size == _LENGTH_BYTES + length + max(ends)


def _mapping(data: bytes) -> dict[str, Any]:
    """A JSON object; empty where the bytes are none."""
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
