"""A guarded child that tells what its environment holds, as it was given and as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def examine(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Tell it."""
    given = Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")
    tell(
        {
            "now": dict(os.environ),
            "given": given,
            "arguments": Path("/proc/self/cmdline").read_text(),
        }
    )
