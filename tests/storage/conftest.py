"""Fixtures of the tests of kept copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.storage.ledger import Ledger
from quarry.storage.local import LocalStore
from tests.b2_server import B2Server
from tests.storage.b2_stores import b2_store
from tests.storage.copy_places import Place


@pytest.fixture
def b2_place(tmp_path: Path) -> Iterator[Place]:
    """A bucket and a ledger; parts are sent one after the other."""
    with B2Server() as server:
        store = b2_store(server, tmp_path / "locks", n_connections=1)
        yield Place(store, Ledger(tmp_path / "copies.sqlite"), server)


@pytest.fixture(params=["directory", "b2"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Either kind of store, and a ledger."""
    if request.param == "b2":
        return request.getfixturevalue("b2_place")
    return Place(LocalStore(tmp_path / "store"), Ledger(tmp_path / "copies.sqlite"), None)
