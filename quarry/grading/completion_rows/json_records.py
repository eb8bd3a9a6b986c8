"""JSON values of a stream of bytes: one a line, or the elements of an array, or documents in a row.

Streams: one line or element is held at a time. What is no JSON object becomes a `Broken` in its
place. Which tool's records the objects are is not known here.
"""

from __future__ import annotations

import codecs
import itertools
import json
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

LONGEST_RECORD_BYTES = 128 << 20
"""A longer line or element is skipped: what is parsed takes several times its size."""

_LEAST_READ_BYTES = 1 << 16
_BLANK = b" \t\r\n\xef\xbb\xbf"
_READ_ERRORS = (OSError, EOFError, zlib.error)
_BETWEEN = " \t\r\n"
_NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""Bytes that are no text, as `surrogateescape` reads them."""


@dataclass(frozen=True)
class Broken:
    """What stands in a file in the place of a record.

    Args:
        line: its line, counted from 1; in an array the line that it begins in.
        text: what is there.
        reason: what is wrong with it.
    """

    line: int
    text: str
    reason: str


def json_records(file: BinaryIO) -> Iterator[dict[str, Any] | Broken]:
    """The JSON objects of a file, in order; a last `Broken` where reading fails.

    An array at the beginning, or a brace alone on the first line, makes the file a sequence of
    documents that span lines; otherwise every line is one.
    """
    reading = _Reading(file)
    line, head = 0, b"\n"
    while head and not head.strip(_BLANK):
        line += head.endswith(b"\n")
        head = reading.piece(_LEAST_READ_BYTES)
    begins = head.strip(_BLANK)
    if begins.startswith(b"[") or begins == b"{":
        yield from _Documents(reading, head, line).records()
    else:
        yield from _line_records(reading, head, line)
    if reading.failure:
        yield Broken(0, "", f"the file can't be read any further: {reading.failure}")


class _Reading:
    """Reads a file to its end, or up to where it can't be read, as in damaged compression."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin where the file stands."""
        self._file = file
        self.failure: Exception | None = None

    def piece(self, most: int, *, is_line: bool = True) -> bytes:
        """The rest of a line, or just bytes, at most so many; empty at the end."""
        if self.failure:
            return b""
        try:
            return self._file.readline(most) if is_line else self._file.read(most)
        except _READ_ERRORS as error:
            self.failure = error
            return b""


def _line_records(reading: _Reading, head: bytes, first: int) -> Iterator[dict[str, Any] | Broken]:
    for number in itertools.count(first):
        line = head
        while line and not line.endswith(b"\n") and len(line) < LONGEST_RECORD_BYTES:
            piece = reading.piece(LONGEST_RECORD_BYTES - len(line))
            if not piece:
                break
            line += piece
        if not line:
            return
        if len(line) >= LONGEST_RECORD_BYTES and not line.endswith(b"\n"):
            while (piece := reading.piece(_LEAST_READ_BYTES)) and not piece.endswith(b"\n"):
                pass
            yield Broken(
                number, _text(line[:1000]), f"longer than {LONGEST_RECORD_BYTES >> 20} MiB"
            )
        elif line.strip(_BLANK):
            yield _line_record(number, line)
        head = reading.piece(LONGEST_RECORD_BYTES)


def _line_record(number: int, line: bytes) -> dict[str, Any] | Broken:
    try:
        # NaN and Infinity are no JSON, but Python writes them; null keeps the record usable
        value: Any = json.loads(line.decode("utf-8-sig"), parse_constant=_null, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        return Broken(number, _text(line), f"no valid JSON: {error}")
    return _object(value, number, line)


def _object(value: Any, number: int, line: bytes | str) -> dict[str, Any] | Broken:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    reason = f"a JSON object was expected, got {type(value).__name__}"
    return Broken(number, line if isinstance(line, str) else _text(line), reason)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _shown(text: str) -> str:
    """The begin of a text, as far as it is one."""
    return text[:1000].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _null(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    """A number; null for one like 1e999, which Python reads as infinity and writes as no JSON."""
    value = float(text)
    return value if math.isfinite(value) else None


class _Documents:
    """Objects that span lines: the elements of an array, or one after the other.

    Args:
        reading: the file, read up to the end of `head`.
        head: its first bytes.
        line: the line that they begin in.
    """

    def __init__(self, reading: _Reading, head: bytes, line: int) -> None:
        """Begin with the first bytes."""
        self._reading = reading
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._parse = json.JSONDecoder(parse_constant=_null, parse_float=_finite).raw_decode
        self._text, self._at, self._line = self._decode(head), 0, line

    def records(self) -> Iterator[dict[str, Any] | Broken]:
        """All objects; after something that is no JSON nothing more can be told apart."""
        is_array = self._next_mark() == "["
        self._at += is_array
        while mark := self._next_mark(also="," if is_array else ""):
            if is_array and mark == "]":
                self._at, is_array = self._at + 1, False
                continue
            record = self._record()
            yield record
            if isinstance(record, Broken) and "no valid JSON" in record.reason:
                return
        if is_array and not self._reading.failure:
            yield Broken(self._line, "", "the array does not end: the file was cut")

    def _next_mark(self, also: str = "") -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BETWEEN + also:
                self._at += 1
            if self._at < len(self._text) or not self._read():
                return self._text[self._at : self._at + 1]

    def _record(self) -> dict[str, Any] | Broken:
        """The value at the mark; reads on until it is whole."""
        while True:
            try:
                value, end = self._parse(self._text, self._at)
                piece = self._text[self._at : end]
                self._at = end
                if _NO_UTF_8.search(piece):
                    return Broken(self._line, _shown(piece), "no valid UTF-8")
                return _object(value, self._line, piece)
            except RecursionError as error:
                reason = str(error)
            except ValueError as error:
                reason = str(error)
                if len(self._text) <= LONGEST_RECORD_BYTES and self._read():
                    continue
            return Broken(self._line, _shown(self._text[self._at :]), f"no valid JSON: {reason}")

    def _read(self) -> bool:
        """Take in about as much again as is waiting, so that long values cost no square."""
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :], 0
        piece = self._reading.piece(max(_LEAST_READ_BYTES, len(self._text)), is_line=False)
        self._text += self._decode(piece)
        return bool(piece)
