"""Versions of the code that tests necessity: raised when equal input gives other results."""

from __future__ import annotations

from typing import Final

POOL_VERSION: Final = "1"
"""Which problems are candidates, and in which shard each is."""

NECESSITY_VERSION: Final = "1"
"""How answers are asked for and compared; the grader has a version of its own."""
