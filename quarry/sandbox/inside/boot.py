"""Starts one module of an inside package by path, without importing quarry; knows no module.

Run as `python -s -P -S -B -X utf8 boot.py MODULE ARGUMENT…`, never imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).parents[3]
_INSIDE = "quarry.sandbox.inside"
_OOM_SCORE = "500"  # where memory runs out, what a program took goes before what waits for it


def main() -> None:
    """Import the module that the first argument names and hand it the others."""
    module = sys.argv[1]
    for package in (_INSIDE, module.rpartition(".")[0]):
        _register(package)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    importlib.import_module(module).main(sys.argv[2:])


def _register(package: str) -> None:
    """Empty packages down to `package`, of which only the last one has a directory."""
    parts = package.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        shell = sys.modules.setdefault(name, ModuleType(name))
        if not hasattr(shell, "__path__"):
            shell.__path__ = []
    sys.modules[package].__path__ = [str(_ROOT.joinpath(*parts))]


if __name__ == "__main__":
    main()
