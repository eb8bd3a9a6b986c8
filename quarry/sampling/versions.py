"""Version of sampling; apart, so that asking for it loads nothing."""

from typing import Final

SAMPLING_VERSION: Final = 1
"""Raised when the same checkpoint, prompts and settings would give other completions."""
