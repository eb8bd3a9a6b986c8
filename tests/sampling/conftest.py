"""A checkpoint that no test may change, and a place to sample it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.sampling.sampling_cases import Bench, write_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models gain nothing from more, and other tests run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("sampled") / "checkpoint_final")


@pytest.fixture
def bench(model_dir: Path, tmp_path: Path) -> Bench:
    return Bench(model_dir, tmp_path / "staging" / "checkpoint_final.sqlite")
