"""A grading model on this machine, and a place for what graders record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.equivalence.grader_server import GraderServer


@pytest.fixture
def server() -> Iterator[GraderServer]:
    """A judge that decides sensibly; tests change how."""
    with GraderServer() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in a folder that is not there yet."""
    return tmp_path / "state" / "grading.sqlite"
