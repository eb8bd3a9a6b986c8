"""Version of evaluation sets; apart, so that asking for it loads nothing."""

from typing import Final

SET_VERSION: Final = 1
"""Raised when the same graded completions would give another set."""
