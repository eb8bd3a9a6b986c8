"""Tiny models, each loaded once a worker."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from quarry.inference.engine import InferenceEngine, Scope
from tests.semantic.collected import Collected, collected, open_tiny

OpenTiny = Callable[[str, str], InferenceEngine]
Collect = Callable[[str, str, Scope], Collected]


@pytest.fixture(scope="session")
def one_thread() -> None:
    """Tiny models gain nothing from threads, which wait for one another on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> OpenTiny:
    """The engine of an architecture and dtype."""
    folder = tmp_path_factory.mktemp("semantic")
    return cache(lambda architecture, dtype: open_tiny(folder, architecture, dtype))


@pytest.fixture(scope="session")
def collect(tiny: OpenTiny) -> Collect:
    """What a model gave for some prompts."""
    return cache(lambda architecture, dtype, scope: collected(tiny(architecture, dtype), scope))
