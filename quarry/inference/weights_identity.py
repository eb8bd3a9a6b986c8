"""Which weights a checkpoint holds: cheap to say, and another answer when a file was replaced.

Imports no torch, so that a sensor may ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

_READ: Final = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "*token*.json",
    "*.model",
    "vocab.*",
    "merges.txt",
    "chat_template*",
)
"""Files that a model or its tokenizer is loaded from; what else lies beside them means nothing."""

_WHOLE_BYTES: Final = 16 << 20
"""Up to this size all of a file is read."""

_PIECE_BYTES: Final = 64 << 10
_N_PIECES: Final = 32


def weights_identity(source: str, revision: str | None, config: Any) -> str:
    """The hub's commit of a checkpoint, or a digest over the files of a directory.

    Of a large file, name, size and 32 pieces of 64 KiB count, spread from its first byte to its
    last: weights that were trained further differ everywhere. Neither times nor files that nothing
    is loaded from count, so a copy, or a README beside the weights, is the same checkpoint.

    Args:
        source: a directory or a hub id.
        revision: the hub revision.
        config: of the model, which knows the commit; None for a directory.

    Raises:
        OSError: a file can't be read.
    """
    directory = Path(source)
    if not directory.is_dir():
        commit = getattr(config, "_commit_hash", None)
        return f"{source}@{commit or revision}"
    digest = blake3()
    for path in sorted(directory.iterdir()):
        if any(fnmatchcase(path.name, pattern) for pattern in _READ) and path.is_file():
            size_bytes = path.stat().st_size
            digest.update(json.dumps([path.name, size_bytes]).encode())
            for piece in _pieces(path, size_bytes):
                digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path, size_bytes: int) -> Iterator[bytes]:
    """All of a small file, else pieces at even distances, the first and the last 64 KiB among them.

    Distances are even in bytes, so that frozen embeddings at one end do not hide other weights.
    """
    with path.open("rb") as file:
        if size_bytes <= _WHOLE_BYTES:
            yield file.read()
            return
        for k in range(_N_PIECES):
            file.seek((size_bytes - _PIECE_BYTES) * k // (_N_PIECES - 1))
            yield file.read(_PIECE_BYTES)
