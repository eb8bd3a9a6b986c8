"""Rows of JSON, JSON-lines and Parquet files, each with its place for error messages.

What the fields mean belongs to the readers of `candidates`, `existing` and `dataset_files`.
"""

# pandas and pyarrow ship partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from quarry.errors import FileMissingError, RecordError
from quarry.selection.columns import records_of
from quarry.trajectory.space import disk_named

_SURROGATE = re.compile("[\ud800-\udfff]")
ENDINGS = (".json", ".jsonl", ".parquet")


@dataclass(frozen=True)
class FileRow:
    """One row of a file.

    Args:
        where: file and row, counted from 1.
        fields: by name; a value that is not there is None, also where a table says NaN.
    """

    where: str
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A field's text.

        Raises:
            RecordError: it is absent, empty or no text, or holds half of a character.
        """
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip() or _SURROGATE.search(value):
            raise self.malformed(name, "a text", value)
        return value

    def number(self, name: str) -> float | None:
        """A field's number, if there is one; texts such as `1,200` are numbers.

        Raises:
            RecordError: it is there, and no finite number.
        """
        from quarry.grading.numbers import parse_number

        value = self.fields.get(name)
        parsed = parse_number(value) if isinstance(value, str) else None
        number: Any = value if parsed is None else float(parsed)
        if number is None:
            return None
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if is_number and math.isfinite(number):
            return float(number)
        raise self.malformed(name, "a number", value)

    def flag(self, name: str) -> bool | None:
        """A field's yes or no, if there is one.

        Raises:
            RecordError: it is there, and neither true nor false.
        """
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.malformed(name, "true or false", value)

    def malformed(self, name: str, expected: str, got: object) -> RecordError:
        """The error for a field with a wrong value."""
        known = ", ".join(self.fields) or "no field"
        return RecordError(
            f"A row is malformed in its field {name!r}",
            where=self.where,
            expected=expected,
            got=repr(got)[:200] if name in self.fields else f"no such field, but {known}",
            fix="correct that row, or make the file again with what wrote it",
        )


def read_rows(path: Path) -> list[FileRow]:
    """The rows of a file: a JSON list, `{"results": […]}`, JSON lines, or Parquet.

    Raises:
        FileMissingError: there is no such file.
        RecordError: it is no such file, or one of its rows is no object.
    """
    if not path.is_file():
        raise FileMissingError(
            "A file of rows does not exist",
            where=str(path),
            expected=f"a file that ends in {', '.join(ENDINGS)}",
            got="a directory" if path.is_dir() else "no such file",
            fix="correct the path",
        )
    if path.suffix == ".parquet":
        from quarry.tables import read_table

        values: list[Any] = list(records_of(read_table(path)))
    elif path.suffix in ENDINGS:
        text = _text(path)
        values = list(_json_lines(path, text)) if path.suffix == ".jsonl" else _rows(path, text)
    else:
        raise _no_rows(path, f"an ending of {', '.join(ENDINGS)}", path.suffix or "none")
    return [_file_row(path, number, value) for number, value in enumerate(values, start=1)]


def _text(path: Path) -> str:
    try:
        with disk_named(path):
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_rows(path, "text in UTF-8", f"byte {error.start}: {error.reason}") from error


def _rows(path: Path, text: str) -> list[Any]:
    """The list of a JSON file, at the top or under `results`."""
    document = _parsed(path, text)
    if isinstance(document, dict):
        document = cast("dict[str, Any]", document).get("results")
    if not isinstance(document, list):
        raise _no_rows(path, 'a list, or {"results": […]}', "another JSON document")
    return cast("list[Any]", document)


def _json_lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _parsed(path, line, f", line {number}")


def _parsed(path: Path, text: str, place: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_rows(path, "valid JSON", f"{error or 'too deep a nesting'}", place) from error


def _file_row(path: Path, number: int, value: object) -> FileRow:
    where = f"{path}, row {number}"
    if not isinstance(value, dict):
        raise _no_rows(path, "an object with named fields", type(value).__name__, f", row {number}")
    fields = cast("dict[str, Any]", value)
    return FileRow(where, {name: _plain(fields[name]) for name in fields})


def _plain(value: Any) -> Any:
    """None for NaN, Python's own values for NumPy's."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _no_rows(path: Path, expected: str, got: str, place: str = "") -> RecordError:
    return RecordError(
        "A file of rows can't be read",
        where=f"{path}{place}",
        expected=expected,
        got=got,
        fix="name a file of necessity results, problems or a dataset",
    )
