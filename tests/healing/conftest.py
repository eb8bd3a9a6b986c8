"""A cell, a store and a bucket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.storage.b2 import B2Store
from quarry.storage.local import LocalStore
from quarry.storage.object_store import ObjectStore
from tests.b2_server import B2Server
from tests.healing.cells import Cell
from tests.storage.b2_stores import b2_store


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server() as running:
        yield running


@pytest.fixture
def bucket(server: B2Server, tmp_path: Path) -> B2Store:
    return b2_store(server, tmp_path / "locks")


@pytest.fixture(params=["directory", "b2"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return LocalStore(tmp_path / "store")
    return request.getfixturevalue("bucket")


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    made = Cell(tmp_path / "data")
    made.publish()
    return made


@pytest.fixture
def good(cell: Cell, tmp_path: Path) -> Path:
    """A copy of the cell's file with its proofs."""
    return shutil.copytree(cell.path.parent, tmp_path / "good") / cell.path.name
