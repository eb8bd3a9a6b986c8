"""Whether what a page shows was printed: the same words in the same order, whatever the numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

LEFT_OUT = "…"
_NUMBER = re.compile(r"\d[\d.,]*")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def unseen(expected: Sequence[str], printed: str) -> list[str]:
    """Lines of a page that were not printed, each behind the one before; empty if all were."""
    lines = [_squeezed(line) for line in _COLOUR.sub("", printed).splitlines()]
    missing: list[str] = []
    for line in expected:
        wanted = _squeezed(line)
        if wanted in {"", LEFT_OUT}:
            continue
        pattern = _pattern(wanted)
        place = next((i for i, one in enumerate(lines) if pattern.fullmatch(one)), None)
        if place is None:
            missing.append(line)
        else:
            lines = lines[place + 1 :]
    return missing


def _squeezed(line: str) -> str:
    """A line with single spaces, and none or single dashes where a table is ruled."""
    return re.sub(r"-{2,}", "-", re.sub(r"\s+", " ", line)).strip()


def _pattern(line: str) -> re.Pattern[str]:
    """What a line may look like: other numbers, anything where something was left out."""
    parts = [_NUMBER.split(part) for part in line.split(LEFT_OUT)]
    return re.compile(".*".join(_NUMBER.pattern.join(map(re.escape, part)) for part in parts))
