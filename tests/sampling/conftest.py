"""A checkpoint that no test may change, and a place to sample it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.sampling.sampling_cases import Bench, N, plan, write_checkpoint


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


@pytest.fixture(scope="session")
def whole(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows, sampled in one go."""
    bench = Bench(model_dir, tmp_path_factory.mktemp("whole") / "store.sqlite")
    return bench.sample(plan(chunk_size=N))[0]
