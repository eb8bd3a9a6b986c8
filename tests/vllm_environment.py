"""Where the tests find vLLM: in an environment of its own, or in the one that runs them.

What starts vLLM bears the mark `vllm`, in a module as `pytestmark = needs_vllm`; `conftest.py`
skips it where there is none. Its engines are opened with the interpreter that `vllm_python` names.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[1] / ".venv-vllm"
ABSENT = "vLLM is not installed: make vllm, or name an interpreter in QUARRY_VLLM_PYTHON"

needs_vllm = pytest.mark.vllm


def find_vllm_python() -> str | None:
    """The interpreter that has vLLM; what `QUARRY_VLLM_PYTHON` names is believed."""
    named = os.environ.get("QUARRY_VLLM_PYTHON")
    if named:
        return named
    if (BESIDE / ".installed").is_file():
        return str(BESIDE / "bin" / "python")
    return sys.executable if importlib.util.find_spec("vllm") else None


def vllm_python() -> str:
    """The same, for a test that is not run without."""
    found = find_vllm_python()
    assert found is not None, ABSENT
    return found
