"""One tiny trained model for all integration tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    tiny_checkpoint,
    write_catalog,
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny trained model and the mirror of its benchmarks."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path]
) -> Iterator[SmallPlatform]:
    """A small platform whose grid is collected and labelled."""
    directory = tmp_path_factory.mktemp("platform")
    catalog = write_catalog(directory / "catalog.yaml", *tiny_model)
    with dg.instance_for_test() as instance:
        platform = open_platform(catalog, directory / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        yield platform
