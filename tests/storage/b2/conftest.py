"""A small server, a store on it with short pauses, and a file of each size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.storage import b2_retry
from quarry.storage.b2 import B2Store
from tests.b2_server import B2Server
from tests.storage.b2_stores import LARGE_BYTES, PART_BYTES, b2_store
from tests.storage.store_hooks import write


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server(minimum_part_size_bytes=PART_BYTES) as running:
        yield running


@pytest.fixture
def store(server: B2Server, tmp_path: Path) -> B2Store:
    return b2_store(server, tmp_path / "locks")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small.h5", 3_000, seed=1)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write(tmp_path / "large.h5", LARGE_BYTES, seed=2)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(b2_retry, "FIRST_PAUSE_S", 0.02)
