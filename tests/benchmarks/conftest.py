"""A toy mirror and small mirrors of hand-written records."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.toy.mirror import write_toy_mirror

MirrorWriter = Callable[[str, list[Any]], BenchmarkSource]


@pytest.fixture(scope="session")
def toy_source(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkSource:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, seed=0)
    return BenchmarkSource(mirror)


@pytest.fixture
def mirror_with(tmp_path: Path) -> MirrorWriter:
    """Writes one file of JSON lines (strings are written as they are) and opens its mirror."""

    def write(name: str, records: list[Any]) -> BenchmarkSource:
        lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in records]
        content = "".join(f"{line}\n" for line in lines).encode()
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return BenchmarkSource(tmp_path)

    return write
