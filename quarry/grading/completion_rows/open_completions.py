"""Where completions come from: a file, compressed or not, stdin, or a directory of programs.

What the bytes mean lives in `json_records` and `reading`.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from quarry.errors import UsageError
from quarry.grading.completion_rows.json_records import Broken, json_records

STDIN = Path("-")

_GZIP = b"\x1f\x8b"
_NO_JSON = {
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "a file compressed with zstd",
    b"BZh": "a file compressed with bzip2",
    b"\xfd7zXZ\x00": "a file compressed with xz",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
"""First bytes of what is often given by mistake."""

_TASK_FOLDER = re.compile(r"(HumanEval|Mbpp)_(\d+)", re.IGNORECASE)
_LONGEST_MARK = max(map(len, _NO_JSON))
_SHOWN_FILES = 5


@dataclass(frozen=True)
class OpenCompletions:
    """The records of one source, to be read once.

    Args:
        name: for messages.
        records: JSON objects, and what stands in the place of one.
        progress: how much was read, and of how much; 0 where that is not known.
    """

    name: str
    records: Iterator[dict[str, Any] | Broken]
    progress: Callable[[], tuple[int, int]]


@contextmanager
def open_completions(path: Path) -> Generator[OpenCompletions]:
    """Open a file (also gzip), `-` for stdin, or a directory of evalplus' programs.

    Raises:
        UsageError: it can't be read, or holds something else than JSON.
    """
    if path == STDIN:
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise _unreadable(path, "stdin is closed")
        yield _from_bytes(path, sys.stdin.buffer, size_bytes=0)
    elif path.is_dir():
        yield _from_directory(path)
    else:
        try:
            file = path.open("rb")
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        with file:
            yield _from_bytes(path, file, path.stat().st_size)


def _from_bytes(path: Path, file: BinaryIO, size_bytes: int) -> OpenCompletions:
    raw: Any = file
    if not isinstance(file, io.BufferedReader):
        raw = io.BufferedReader(cast(Any, file))
    content: Any = raw
    try:
        if raw.peek(len(_GZIP)).startswith(_GZIP):
            content = gzip.GzipFile(fileobj=raw)
        head = content.peek(_LONGEST_MARK)[:_LONGEST_MARK]
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, str(error)) from error
    for mark, what in _NO_JSON.items():
        if head.startswith(mark):
            raise _unreadable(path, what)

    def progress() -> tuple[int, int]:
        return (min(raw.tell(), size_bytes), size_bytes) if size_bytes else (0, 0)

    return OpenCompletions(_name(path), json_records(content), progress)


def _from_directory(folder: Path) -> OpenCompletions:
    """The programs of a directory as evalplus writes it: `HumanEval_0/0.py`."""
    files = sorted(
        (int(found[2]), _sample_number(file), file)
        for task in folder.iterdir()
        if (found := _TASK_FOLDER.fullmatch(task.name))
        for file in task.glob("*.py")
    )
    if not files:
        inside = sorted(file.name for file in folder.rglob("*.json*"))[:_SHOWN_FILES]
        raise _unreadable(folder, f"a directory with {', '.join(inside) or 'no such file'}")
    read = 0

    def records() -> Iterator[dict[str, Any] | Broken]:
        nonlocal read
        for _, _, file in files:
            read += 1
            yield _program(file)

    return OpenCompletions(str(folder), records(), lambda: (read, len(files)))


def _sample_number(file: Path) -> int:
    return int(file.stem) if file.stem.isdecimal() else 0


def _program(file: Path) -> dict[str, Any] | Broken:
    try:
        solution = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Broken(1, "", f"{file.parent.name}/{file.name} can't be read: {error}")
    task_id = file.parent.name.replace("_", "/")
    return {"task_id": task_id, "file": f"{file.parent.name}/{file.name}", "solution": solution}


def _name(path: Path) -> str:
    return "stdin" if path == STDIN else str(path)


def _unreadable(path: Path, got: str) -> UsageError:
    return UsageError(
        "The completions can't be read",
        where=_name(path),
        expected="JSON lines or a JSON array in UTF-8, also gzip-compressed, or a directory of "
        "evalplus' programs (HumanEval_0/0.py)",
        got=got,
        fix="name such a file, or use - for stdin",
    )
