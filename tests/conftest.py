"""Fixtures that every test may use."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real benchmark files beside the project; skips where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real benchmark files (../shared/data) are not on this machine")
    return SHARED_DATA
