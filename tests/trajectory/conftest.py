"""Fixtures of the trajectory tests."""

from pathlib import Path

import pytest

from tests.trajectory.examples import publish_example


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file that no test may change."""
    return publish_example(tmp_path_factory.mktemp("pristine"))[0]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published file to be damaged."""
    return publish_example(tmp_path)[0]
