"""A small checkpoint, and what transformers makes of it."""

from pathlib import Path

import pytest

from quarry.inference.engine import Completion
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.inference.vllm_under_fire import expected_of


@pytest.fixture(scope="module")
def llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture(scope="module")
def reference(llama_dir: Path) -> list[Completion]:
    return expected_of(llama_dir)
