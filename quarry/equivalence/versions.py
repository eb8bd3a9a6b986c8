"""Version of grading; apart, so that asking for it loads nothing. Rubrics have their digests."""

from typing import Final

GRADING_VERSION: Final = 1
"""Raised when the same completions, rubric and grader would be decided otherwise."""
