"""Files that vLLM made, judged by transformers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.inference.vllm_engine import VllmEngine
from quarry.semantic.checking import check_states
from tests.inference.shared_vllm import cpu_settings
from tests.semantic.collected import Collected, collected, open_tiny, write
from tests.semantic.faults import INTACT
from tests.vllm_environment import needs_vllm

pytestmark = needs_vllm


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def made(models: Path) -> Iterator[Collected]:
    """What vLLM gave in bfloat16."""
    open_tiny(models, "olmo3").close()
    with VllmEngine.load(
        models / "olmo3", dtype="bfloat16", batch_size=4, settings=cpu_settings()
    ) as engine:
        yield collected(engine)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("", set()),
        ("layers one too early", {"layer"}),
        ("positions one too early", {"position"}),
        ("last token is the one before", {"position"}),
    ],
)
def test_a_file_of_vllm_is_confirmed_and_a_fault_in_it_is_named(
    made, models, tmp_path, name, kinds
):
    path = write(tmp_path, made, INTACT[name].fault if name else None)
    with open_tiny(models, "olmo3") as engine:
        report = check_states(path, engine, n_rows=0)
    assert {found.kind for found in report.findings} == kinds
    assert report.facts["made_by"].startswith("vllm, bfloat16")
    if not name:
        assert 1e-3 < report.facts["worst_error"] < 0.1
