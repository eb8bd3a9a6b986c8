"""Fixtures that every test may use."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.trajectory.examples import publish_example
from tests.vllm_environment import ABSENT, find_vllm_python

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


SLOW = ("tests/integration/", "tests/soak/", "tests/trajectory/test_interleavings.py")
"""Whole platforms, counts and schedules: minutes altogether."""
SLOW_LIMIT_S = 1200
"""For what takes a minute with its fixtures, on a machine that is many times slower."""

# the same examples everywhere, none of which is late because the machine was busy
settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies there as slow, so that `make test` leaves it out, and give it time."""
    for item in items:
        if any(place in item.path.as_posix() for place in SLOW):
            item.add_marker(pytest.mark.slow)
        takes_long = item.get_closest_marker("slow") or item.get_closest_marker("browser")
        if takes_long and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_LIMIT_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what starts vLLM where there is none."""
    if item.get_closest_marker("vllm") and find_vllm_python() is None:
        pytest.skip(ABSENT)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real benchmark files beside the project; skips where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real benchmark files (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def own_leases(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no test wait for the devices of another one, or of a platform that runs beside."""
    os.environ["QUARRY_LEASE_DIR"] = str(tmp_path_factory.mktemp("leases"))


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let child processes be interrupted, also where the tests run in the background.

    A shell starts background jobs with SIGINT ignored, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published trajectory file that no test may change."""
    return publish_example(tmp_path_factory.mktemp("pristine"))[0]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published trajectory file to be damaged."""
    return publish_example(tmp_path)[0]


@pytest.fixture(autouse=True)
def no_instance_of_an_earlier_test() -> None:
    """Dagster remembers an instance that was left out of turn, and asks it though it is gone."""
    module = sys.modules.get("dagster._core.storage.defs_state.base")
    if module is not None:
        module._current_storage.set(None)
