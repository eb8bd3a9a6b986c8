"""The search finds a secret wherever one was planted."""

from __future__ import annotations

import base64
import gzip
import json
import os
import sqlite3
import string
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.secrets_search import Secrets, forms

KEY = 'K005/canary "x"+é\n=end'
SECRETS = Secrets({"key": KEY})


def _rows(path: Path, value: object) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (n INTEGER, v)")
        filler = "x" * 3_000  # so that the value lies across pages
        database.executemany("INSERT INTO t VALUES (?, ?)", [(1, filler), (2, value)])
    database.close()


PLANTS: dict[str, Callable[[Path], object]] = {
    "log": lambda path: path.write_text(f"opened with {KEY}"),
    "traceback": lambda path: path.write_text(f"    key = {KEY!r}\n"),
    "URL": lambda path: path.write_text(f"http://x/?key={quote(KEY)}"),
    "event": lambda path: _rows(path, json.dumps({"message": json.dumps({"key": KEY})})),
    "header": lambda path: path.write_bytes(base64.b64encode(f"some-id:{KEY}".encode())),
    "long text": lambda path: _rows(path, "y" * 6_000 + KEY + "y" * 6_000),
    "snapshot": lambda path: _rows(path, zlib.compress(json.dumps({"key": KEY}).encode())),
    "gzip": lambda path: path.write_bytes(gzip.compress(KEY.encode())),
    "table": lambda path: pd.DataFrame({"evidence": [f"raised {KEY}"] * 50}).to_parquet(path),
    "core": lambda path: path.write_bytes(os.urandom(10_000) + KEY.encode() + os.urandom(100)),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_secret_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    PLANTS[name](tmp_path / "deep" / "file")
    found = SECRETS.below(tmp_path)
    assert found
    assert all(place.startswith("deep/file: key ") for place in found)


def test_a_secret_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / quote(KEY, safe="")).touch()
    assert any("the name of" in place for place in SECRETS.below(tmp_path))


def test_where_nothing_is_nothing_is_found(tmp_path: Path) -> None:
    _rows(tmp_path / "runs.db", KEY[:-2])
    (tmp_path / "log").write_text(base64.b64encode(KEY[:-3].encode()).decode())
    assert SECRETS.below(tmp_path) == set()


@given(st.text(string.printable, min_size=12, max_size=60), st.binary(max_size=30), st.binary())
def test_base64_shows_a_secret_whatever_stands_around_it(
    secret: str, before: bytes, after: bytes
) -> None:
    coded = base64.b64encode(before + secret.encode() + after)
    assert forms(secret)[f"base64 after {len(before) % 3}"] in coded
