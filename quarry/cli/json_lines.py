"""JSON lines that may be broken: good rows go on to be processed, broken ones keep their place."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quarry.grading.verdict import Verdict

SHOWN_CHARACTERS = 200


class JsonLines:
    """Reads rows and afterwards merges results with error rows, in the order of the lines.

    Streams: at most the lines between a row's reading and its result are held. `rows` feeds a
    generator whose results go through `merged`; that generator must keep the rows' order.

    Args:
        lines: the lines of a file, with or without their line breaks.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._places: deque[dict[str, Any] | None] = deque()

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The lines that are JSON objects; empty lines are skipped."""
        for number, line in enumerate(self._lines, start=1):
            if not line.strip():
                continue
            row = _parsed(line)
            if isinstance(row, dict):
                self._places.append(None)
                yield row  # pyright: ignore[reportUnknownVariableType]
            else:
                self._places.append(_error_row(number, line, str(row)))

    def merged(self, results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The results with the error rows in between."""
        for result in results:
            yield from self._broken()
            self._places.popleft()
            yield result
        yield from self._broken()

    def _broken(self) -> Iterator[dict[str, Any]]:
        """The error rows that come before the next good row."""
        while self._places and (broken := self._places[0]) is not None:
            self._places.popleft()
            yield broken


def _parsed(line: bytes) -> dict[str, Any] | str:
    """The object in a line, or why there is none."""
    try:
        # NaN and Infinity are no JSON, but Python writes them; null keeps the row usable
        value: Any = json.loads(line.decode("utf-8-sig"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        return f"no valid JSON: {error}"
    if not isinstance(value, dict):
        return f"a JSON object was expected, got {type(value).__name__}"
    return value  # pyright: ignore[reportUnknownVariableType]


def _error_row(number: int, line: bytes, reason: str) -> dict[str, Any]:
    """The row that stands for a line that can't be read."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return {
        "line": number,
        "sample_id": None,
        "verdict": Verdict.ERROR.value,
        "is_correct": False,
        "extracted": None,
        "grader": None,
        "grader_version": None,
        "evidence": {"reason": f"line {number}: {reason}", "line_text": shown},
    }
