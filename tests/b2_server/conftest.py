"""A running server, its bucket through b2sdk, and files to send."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.b2_server import B2Server

SMALL_BYTES = 3_000
LARGE_BYTES = 123_456
PART_BYTES = 10_000


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server(recommended_part_size_bytes=PART_BYTES) as running:
        yield running


@pytest.fixture
def bucket(server: B2Server) -> Any:
    return server.client_bucket()


@pytest.fixture
def small() -> bytes:
    return random.Random(1).randbytes(SMALL_BYTES)


@pytest.fixture
def large() -> bytes:
    return random.Random(2).randbytes(LARGE_BYTES)


@pytest.fixture
def large_path(large: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "large.h5"
    path.write_bytes(large)
    return path
