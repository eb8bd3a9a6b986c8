"""Looks for secrets in bytes, files, databases and tables, in every form in which one may be kept.

Text in SQLite may lie across pages, and Dagster compresses its snapshots; Parquet is compressed,
too. So databases and tables are read as such beside their raw bytes.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq

_SQLITE, _PARQUET = b"SQLite format 3\0", b"PAR1"


class Secrets:
    """What must not be found, by name.

    Args:
        named: the secrets in clear.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._forms = {
            f"{name} {form}": needle
            for name, secret in named.items()
            for form, needle in forms(secret).items()
        }
        self._seen: dict[Path, tuple[tuple[int, int, int], frozenset[str]]] = {}

    def in_bytes(self, data: bytes) -> list[str]:
        """Name and form of each that some bytes show."""
        return [what for what, needle in self._forms.items() if needle in data]

    def in_text(self, text: str) -> list[str]:
        """Name and form of each that a text shows."""
        return self.in_bytes(text.encode("utf-8", "surrogatepass"))

    def in_value(self, value: Any) -> list[str]:
        """Name and form of each in a cell of a database: text, or bytes that may be compressed."""
        if isinstance(value, bytes):
            return self.in_bytes(value) or self.in_bytes(_inflated(value))
        return self.in_text(value) if isinstance(value, str) else []

    def below(self, directory: Path) -> set[str]:
        """Every place below a directory that shows one: `home/runs.db: key plain`.

        A file that has not changed since it was last looked at is not read again.
        """
        found: set[str] = set()
        for path in directory.rglob("*"):
            named = path.relative_to(directory)
            found |= {f"the name of {named}: {what}" for what in self.in_text(str(named))}
            if path.is_symlink() or not path.is_file():
                continue
            try:
                found |= {f"{named}: {what}" for what in self._in_file_as_it_is(path)}
            except FileNotFoundError:  # gone meanwhile
                continue
        return found

    def _in_file_as_it_is(self, path: Path) -> frozenset[str]:
        is_now = path.stat()
        state = (is_now.st_ino, is_now.st_size, is_now.st_mtime_ns)
        if path not in self._seen or self._seen[path][0] != state:
            self._seen[path] = state, frozenset(self._in_file(path))
        return self._seen[path][1]

    def _in_file(self, path: Path) -> Iterator[str]:
        data = path.read_bytes()
        yield from self.in_bytes(data)
        if data.startswith(_SQLITE):
            for value in _cells(path):
                yield from self.in_value(value)
        elif data.startswith(_PARQUET):
            yield from self.in_text(repr(pq.read_table(path).to_pydict()))
        else:
            yield from self.in_bytes(_inflated(data))


def forms(secret: str) -> dict[str, bytes]:
    """The ways in which a secret may be written, each as the bytes that show it."""
    plain = secret.encode()
    written = {
        "plain": secret,
        "URL-quoted": quote(secret, safe=""),
        "quoted as a path": quote(secret),
        "form-quoted": quote_plus(secret),
        "JSON": json.dumps(secret)[1:-1],
        "in JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "repr": repr(secret)[1:-1],
        "hex": plain.hex(),
        "reversed": secret[::-1],
    }
    found = {name: text.encode() for name, text in written.items()}
    for before in range(3):
        inner = _base64_inside(plain, before)
        found[f"base64 after {before}"] = inner
        found[f"URL-safe base64 after {before}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def _base64_inside(plain: bytes, before: int) -> bytes:
    """What of base64 depends on `plain` alone, where so many bytes, modulo 3, stand before it."""
    coded = base64.b64encode(bytes(before) + plain)
    first = -(-before * 8 // 6)
    return coded[first : (before + len(plain)) * 8 // 6]


def _inflated(data: bytes) -> bytes:
    """Bytes that zlib or gzip made smaller; empty if it did not."""
    try:
        return zlib.decompressobj(wbits=47).decompress(data)
    except zlib.error:
        return b""


def _cells(path: Path) -> Iterator[Any]:
    """All values of all tables of a database, as another process would read them."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield from row
