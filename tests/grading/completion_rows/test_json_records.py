"""JSON values of a stream: lines, arrays and documents, broken or whole."""

from __future__ import annotations

import io
import itertools
import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.grading.completion_rows import json_records as module
from quarry.grading.completion_rows.json_records import Broken, json_records

RECORDS = [{"a": 1, "text": 'x}],{"\\'}, {"b": ["é\u2028", None, {"c": {}}]}, {}]


def read(content: bytes) -> list[Any]:
    return list(json_records(io.BytesIO(content)))


def in_lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\r\n \n"])
def test_an_array_is_its_elements(indent: int | None, mark: bytes) -> None:
    assert read(mark + json.dumps(RECORDS, indent=indent).encode()) == RECORDS


def test_documents_that_span_lines_may_follow_one_another() -> None:
    content = "\n".join(json.dumps(record, indent=2) for record in RECORDS[:2])
    assert read(content.encode()) == RECORDS[:2]


def test_lines_may_end_as_on_windows_begin_with_a_mark_and_be_empty() -> None:
    content = b"\xef\xbb\xbf" + in_lines(RECORDS).replace(b"\n", b"\r\n\r\n")
    assert read(content) == RECORDS


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"[]", b"[ \n ]\n", b"\xef\xbb\xbf"])
def test_of_nothing_nothing_comes(content: bytes) -> None:
    assert read(content) == []


def test_a_broken_line_keeps_its_place_and_number() -> None:
    good, *_ = in_lines([{"n": 1}]).splitlines()
    first, broken, array, last = read(b"\n".join([good, b'{"n": ', b"[1]", b"", good]))
    assert first == last == {"n": 1}
    assert isinstance(broken, Broken)
    assert (broken.line, broken.text) == (2, '{"n": ')
    assert isinstance(array, Broken)
    assert (array.line, array.reason) == (3, "a JSON object was expected, got list")


@pytest.mark.parametrize("form", [b"%s\n%s\n%s", b"[%s, %s, %s]", b"{\n%.0s}%s%s"])
def test_bytes_that_are_no_text_never_become_other_text(form: bytes) -> None:
    _, broken, last = read(form % (b'{"n": 1}', b'{"n": "1\xb2"}', b'{"n": "\\udcb2"}'))
    assert isinstance(broken, Broken)
    assert "utf" in broken.reason.lower()
    assert last == {"n": "\udcb2"}


def test_an_element_that_is_no_object_keeps_its_place() -> None:
    first, broken, last = read(b'[{"n": 1},\n 7,\n {"n": 2}]')
    assert (first, last) == ({"n": 1}, {"n": 2})
    assert isinstance(broken, Broken)
    assert "got int" in broken.reason


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b"", "the array does not end"),
        (b', {"n": 2', "no valid JSON"),
        (b', {"n": oops}, {"n": 3}]', "no valid JSON"),
        (b"," + b"[" * 100_000, "no valid JSON"),
        (b"] trailing", "no valid JSON"),
    ],
)
def test_what_a_cut_or_broken_array_has_before_is_kept(tail: bytes, reason: str) -> None:
    good, broken = read(b'[{"n": 1}' + tail)
    assert good == {"n": 1}
    assert isinstance(broken, Broken)
    assert reason in broken.reason


def test_nan_and_infinity_become_null() -> None:
    assert read(b'{"a": NaN, "b": [-Infinity]}') == [{"a": None, "b": [None]}]
    assert read(b'[{"a": NaN}]') == [{"a": None}]
    assert read(b'{"a": 1e999, "b": -1e999, "c": 1e9}') == [{"a": None, "b": None, "c": 1e9}]
    assert read(b'[{"a": 1e999}]') == [{"a": None}]


def test_a_line_beyond_the_longest_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_RECORD_BYTES", 32)
    long = json.dumps({"text": "x" * 100}).encode()
    first, broken, last = read(b'{"n": 1}\n' + long + b'\n{"n": 2}\n')
    assert (first, last) == ({"n": 1}, {"n": 2})
    assert isinstance(broken, Broken)
    assert broken.line == 2
    assert "longer" in broken.reason


def test_an_array_on_one_line_may_be_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"text": "x" * 20_000, "n": n} for n in range(20)]
    monkeypatch.setattr(module, "LONGEST_RECORD_BYTES", 100_000)
    assert read(json.dumps(records).encode()) == records


def test_a_first_line_longer_than_what_is_looked_at_is_read_whole() -> None:
    records = [{"text": "x" * 200_000}, {"n": 1}]
    assert read(b"\n" + in_lines(records)) == records


def test_a_line_of_exactly_the_longest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b'{"n": 1}\n'
    monkeypatch.setattr(module, "LONGEST_RECORD_BYTES", len(line))
    assert read(line * 2) == [{"n": 1}, {"n": 1}]


class Endless(io.RawIOBase):
    """A file that never ends; it fails once more than `most` bytes are asked for."""

    def __init__(self, start: bytes, repeated: bytes, most: int) -> None:
        super().__init__()
        self._bytes = itertools.chain(start, itertools.cycle(repeated))
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left -= len(buffer)
        assert self._left > 0, "read too far"
        buffer[:] = bytes(itertools.islice(self._bytes, len(buffer)))
        return len(buffer)


@pytest.mark.parametrize(("start", "repeated"), [(b"", b'{"n": 1}\n'), (b"[", b'{"n": 1},\n')])
def test_records_come_before_the_end_is_read(start: bytes, repeated: bytes) -> None:
    file = io.BufferedReader(cast(Any, Endless(start, repeated, 1 << 20)))
    assert list(itertools.islice(json_records(cast(Any, file)), 3)) == [{"n": 1}] * 3


texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=80, derandomize=True)
@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=6), st.sampled_from([None, 2]))
def test_lines_and_arrays_of_the_same_records_read_alike(
    records: list[dict[str, Any]], indent: int | None
) -> None:
    ascii_lines = b"".join(json.dumps(record).encode() + b"\r\n" for record in records)
    assert read(ascii_lines) == records
    assert read(json.dumps(records, indent=indent, ensure_ascii=True).encode()) == records


@settings(max_examples=60, derandomize=True)
@given(st.lists(st.sampled_from(["good", "bad", "blank"])))
def test_results_keep_the_order_of_the_lines(kinds: list[str]) -> None:
    form = {"good": '{"line": %d}', "bad": "{%d", "blank": " "}
    content = "".join(
        (form[kind] % number if kind != "blank" else " ") + "\n"
        for number, kind in enumerate(kinds, start=1)
    )
    found = [r.line if isinstance(r, Broken) else r["line"] for r in read(content.encode())]
    assert found == [number for number, kind in enumerate(kinds, start=1) if kind != "blank"]
