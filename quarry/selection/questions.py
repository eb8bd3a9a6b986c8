"""When two questions count as the same one."""

from __future__ import annotations

from quarry.leakage.words import normalised


def same_question_key(question: str) -> str:
    """Equal for questions that differ only in case, spacing and punctuation; numbers count."""
    return normalised(question) or question.strip()
