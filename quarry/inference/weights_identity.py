"""Which weights a checkpoint holds: cheap to say, and another answer when a file was replaced.

Imports no torch, so that a sensor may ask.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blake3 import blake3

_END_BYTES = 64 << 10


def weights_identity(source: str, revision: str | None, config: Any) -> str:
    """The hub's commit of a checkpoint, or a digest over the files of a directory.

    Args:
        source: a directory or a hub id.
        revision: the hub revision.
        config: of the model, which knows the commit; None for a directory.
    """
    directory = Path(source)
    if not directory.is_dir():
        commit = getattr(config, "_commit_hash", None)
        return f"{source}@{commit or revision}"
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
