"""`SourceRecord`: one record of a source file with its place, and how JSON lines become records.

Typed access to fields lives here, so that every loader reports a malformed record in one way. What
the fields mean belongs into the module of the format.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from quarry.errors import RecordError, SourceMissingError


@dataclass(frozen=True)
class SourceRecord:
    """One record as the source has it.

    Args:
        row: position in the split, counted from 0.
        where: file and line, or dataset and row, for error messages.
        fields: the record's fields by name.
    """

    row: int
    where: str
    fields: Mapping[str, Any]

    def text(self, field: str) -> str:
        """The field's text.

        Raises:
            RecordError: the field is absent or no text.
        """
        value = self._value(field, "a text")
        if not isinstance(value, str):
            raise self.malformed(field, "a text", repr(value))
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """The field's list of texts.

        Raises:
            RecordError: the field is absent or no list of texts.
        """
        value = self._value(field, "a list of texts")
        if not isinstance(value, list | tuple):
            raise self.malformed(field, "a list of texts", repr(value))
        items = cast("list[object]", value)
        if not all(isinstance(item, str) for item in items):
            raise self.malformed(field, "a list of texts", repr(items))
        return tuple(cast("list[str]", value))

    def integer(self, field: str) -> int:
        """The field's whole number.

        Raises:
            RecordError: the field is absent or no whole number.
        """
        value = self._value(field, "a whole number")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.malformed(field, "a whole number", repr(value))
        return value

    def malformed(self, field: str, expected: str, got: str) -> RecordError:
        """The error for a field with a wrong value."""
        return RecordError(
            f"A benchmark record is malformed in its field {field!r}",
            where=self.where,
            expected=expected,
            got=got if len(got) <= 200 else f"{got[:200]}…",
            fix="compare with the original file and fetch it again",
        )

    def _value(self, field: str, expected: str) -> object:
        if field not in self.fields:
            present = ", ".join(self.fields) or "no field"
            raise self.malformed(field, expected, f"no such field, but {present}")
        return self.fields[field]


def require_file(path: Path) -> Path:
    """The path itself, once it is known to be a file.

    Raises:
        SourceMissingError: there is no such file.
    """
    if not path.is_file():
        raise SourceMissingError(
            "A benchmark file is missing",
            where=str(path),
            expected="the original file of the benchmark",
            got="a directory" if path.is_dir() else "no such file",
            fix="put the file there, or correct benchmark_source.path in the catalog",
        )
    return path


def read_json_lines(path: Path) -> Iterator[SourceRecord]:
    """Records of a JSON-lines file, gzip-compressed where its name ends in `.gz`.

    Raises:
        SourceMissingError: there is no such file.
        RecordError: a line is no JSON object, or the file is damaged.
    """
    row = 0
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield SourceRecord(row, f"{path}, line {number}", _json_object(path, number, line))
            row += 1


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file, decompressed where its name ends in `.gz`.

    Only a newline ends a line: benchmark texts hold characters that `splitlines` would split at.

    Raises:
        SourceMissingError: there is no such file.
        RecordError: the content is no UTF-8, or the compression is damaged.
    """
    try:
        content = _decompressed(require_file(path)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            "A benchmark file is no UTF-8 text",
            where=f"{path}, byte {error.start}",
            expected="UTF-8",
            got=error.reason,
            fix="fetch the file again",
        ) from error
    return [line.rstrip("\r") for line in content.split("\n")]


def _decompressed(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(
            "A compressed benchmark file can't be read",
            where=str(path),
            expected="a complete gzip file",
            got=str(error),
            fix="fetch the file again",
        ) from error


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value: object = json.loads(line)
    except ValueError as error:
        got = str(error)
    else:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        got = type(value).__name__
    raise RecordError(
        "A line of a benchmark file is no JSON object",
        where=f"{path}, line {number}",
        expected="one JSON object",
        got=got,
        fix="compare with the original file and fetch it again",
    )
