"""What the zygote imports before it forks, so that programs find it warm; a list and no policy.

A program still has to import a name before it can use it: what is imported here is known to the
interpreter and to nobody else.
"""

from __future__ import annotations

import contextlib
import importlib

PREPARED_MODULES = (
    "abc",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "inspect",
    "io",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "struct",
    "sys",
    "textwrap",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
)
"""Which modules model-written solutions import most. Not among them: what imports `threading`
(queue, subprocess, concurrent), because that doubles the cost of each fork, and what is heavy and
rare (asyncio, numpy, sqlite3)."""


def import_prepared() -> None:
    """Import them all; an interpreter that was built without one goes on without it."""
    for name in PREPARED_MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
