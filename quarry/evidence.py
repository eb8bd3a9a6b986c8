"""Reading the evidence of a stored label: which rule decided, on which piece of the completion.

Graders write evidence in `quarry.grading`; its keys differ by grader and by version, so nothing
here relies on any of them being there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

_DECIDED_BY = ("rule", "form", "phase", "exception")
_TIMES = ("wall_s", "cpu_s")
_MOST_CHARACTERS = 300
_AROUND_CHARACTERS = 60
_START_CHARACTERS = 160


def parsed(evidence: object) -> dict[str, Any]:
    """The evidence as a dict; empty for what is none."""
    if not isinstance(evidence, str):
        return {}
    try:
        found = json.loads(evidence)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def without_times(evidence: object) -> str:
    """The evidence as stored, but for how long it took: that says nothing about the label."""
    found = parsed(evidence)
    return json.dumps({name: value for name, value in found.items() if name not in _TIMES})


def rule_of(evidence: Mapping[str, Any]) -> str:
    """What decided, in one word: the rule of a text, or form, phase and exception of a program."""
    return "/".join(str(evidence[name]) for name in _DECIDED_BY if evidence.get(name))


def essentials(evidence: Mapping[str, Any]) -> str:
    """The evidence as JSON, without times and without long texts."""
    kept = {
        name: value[:_MOST_CHARACTERS] if isinstance(value, str) else value
        for name, value in evidence.items()
        if name not in _TIMES
    }
    return json.dumps(kept, default=str)


def piece_around(completion: str, *evidences: Mapping[str, Any]) -> str:
    """A short piece of a completion: around the first span that is named, else its start."""
    for evidence in evidences:
        span = _span(evidence, len(completion))
        if span is not None:
            return _cut(completion, span[0] - _AROUND_CHARACTERS, span[1] + _AROUND_CHARACTERS)
    return _cut(completion, 0, _START_CHARACTERS)


def _span(evidence: Mapping[str, Any], length: int) -> tuple[int, int] | None:
    """The span of an evidence, if it lies within the completion."""
    span = evidence.get("span")
    if not isinstance(span, list | tuple):
        return None
    offsets = [one for one in cast("list[object]", span) if isinstance(one, int)]
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1] <= length:
        return None
    return offsets[0], min(offsets[1], offsets[0] + _MOST_CHARACTERS)


def _cut(text: str, start: int, end: int) -> str:
    """Part of a text, with a mark where something is left out."""
    start = max(0, start)
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
