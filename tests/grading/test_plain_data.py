"""Values between examiner and worker: nothing is lost on the way, and no forgery gets in."""

from __future__ import annotations

import contextlib
import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.sandbox.inside.decoding import Decoder, ForgedError
from quarry.sandbox.inside.encoding import MOST_DEPTH, Encoder, TooLargeError


class _Refused(Exception):
    """The value has no plain form."""


def _refuse(value: Any) -> Any:
    raise _Refused(type(value).__name__)


def _no_module(name: str) -> Any:
    raise ForgedError(name)


ENCODER = Encoder(_refuse)
DECODER = Decoder(lambda content: ("handle", content), _no_module)


def travelled(value: Any) -> Any:
    """The value as the other side sees it."""
    return DECODER.decode(json.loads(json.dumps(ENCODER.encode(value))))


def same(one: Any, other: Any) -> bool:
    """Equal in value, type and order, down to the sign of zero."""
    return type(one) is type(other) and repr(one) == repr(other)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC) | st.none())
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(deque)
        | st.dictionaries(st.text() | st.integers() | st.floats(), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_arrives_as_it_left(value: Any) -> None:
    assert same(travelled(value), value)


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        math.inf,
        math.nan,
        10**4000,
        -(2**63) - 1,
        2**63,
        "\ud83d\ude00",  # two surrogates, which JSON would join
        "\ud800",
        "\0\u2028 \U0001f600",
        b"\0\xff",
        bytearray(b"x"),
        {1: 2, "1": 3, (1, 2): [4], None: 5},
        {"tuple": [1]},
        {3, 1, 2},
        frozenset({2, 1}),
        range(3, 9, 2),
        slice(1, None, -1),
        deque([1, 2], maxlen=2),
        Decimal("-0.00"),
        Decimal("sNaN"),
        Fraction(10**30, 7),
        date(2024, 2, 29),
        time(1, 2, 3, 4, fold=1),
        datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-5))),
        timedelta(-1, 5),
        ...,
        int,
        ValueError,
        complex(-0.0, math.nan),
        [[], [[]], ()],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_easily_lost_arrives(value: Any) -> None:
    assert same(travelled(value), value)


def test_an_integer_that_python_does_not_write_out_arrives() -> None:
    assert travelled(-(10**9999)) == -(10**9999)


def test_views_of_a_dict_stay_views() -> None:
    table = {"a": 1, "b": [2]}
    assert same(travelled(table.keys()), table.keys())
    assert same(travelled(table.values()), table.values())
    assert same(travelled(table.items()), table.items())


class _Lying(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __add__(self, other: Any) -> Any:
        return 0

    __index__ = __int__ = __repr__ = __hash__ = lambda self: 0  # type: ignore[assignment]


class _Empty(list[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Colour(enum.IntEnum):
    RED = 3


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (_Lying(7), 7),
        (_Empty([1, 2]), [1, 2]),
        (_Colour.RED, 3),
        (Pair(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (type("S", (str,), {"__str__": lambda self: "lie"})("truth"), "truth"),
        (type("F", (float,), {"__pos__": lambda self: 0.0})(-0.0), -0.0),
        (type("B", (bytes,), {})(b"x"), b"x"),
        (type("D", (dict,), {"items": lambda self: []})({1: 2}), {1: 2}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_instance_of_a_subclass_arrives_as_what_its_base_holds(value: Any, plain: Any) -> None:
    assert same(travelled(value), plain)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.1),
        np.int8(-3),
        np.bool_(True),
        np.str_("xé"),
        np.datetime64("2024-02-29"),
        np.arange(6).reshape(2, 3),
        np.array([], dtype="f4"),
        np.array(["a", "bc"]),
        np.array([{"a": 1}, None], dtype=object),
        np.array(1 + 2j),
    ],
    ids=repr,
)
def test_arrays_and_scalars_of_numpy_arrive(value: Any) -> None:
    arrived = travelled(value)
    assert type(arrived) is type(value)
    assert arrived.dtype == value.dtype
    assert arrived.shape == value.shape
    assert repr(arrived) == repr(value)


def test_what_has_no_plain_form_is_left_to_the_caller() -> None:
    for value in (object(), lambda: 0, iter([1]), type("C", (), {}), ValueError("x")):
        with pytest.raises(_Refused):
            ENCODER.encode([value])


def _cycle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def _deep(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


@pytest.mark.parametrize("value", [_cycle(), _deep(MOST_DEPTH), [{"x": _cycle()}]])
def test_rings_and_depths_are_refused_in_time(value: Any) -> None:
    with pytest.raises(TooLargeError):
        ENCODER.encode(value)


def test_a_value_that_multiplies_itself_is_refused_in_time() -> None:
    value: list[Any] = [1]
    for _ in range(100):
        value = [value, value]
    with pytest.raises(TooLargeError):
        ENCODER.encode(value)


def _nested_tuples(depth: int) -> Any:
    tree: Any = 1
    for _ in range(depth):
        tree = {"tuple": [tree]}
    return tree


@pytest.mark.parametrize(
    "tree",
    [
        {"pickle": "gASVAAAA"},
        {"tuple": [1], "list": [2]},
        {},
        {"tuple": 5},
        {"tuple": {"tuple": []}},
        {"int": "zz"},
        {"int": 5},
        {"int": None},
        {"dict": [[1], [1, 2]]},
        {"dict": [[[1]], [1]]},
        {"set": [[1]]},
        {"type": "print"},
        {"type": "__build_class__"},
        {"type": ["int"]},
        {"function": "eval"},
        {"module": "os"},
        {"fraction": [1, 0]},
        {"range": [1, 2, 0]},
        {"range": ["1", 2, 3]},
        {"decimal": "one"},
        {"date": [2024, 2, 30]},
        {"complex": ["1", "2"]},
        {"bytes": "0"},
        {"surrogates": "00"},
        {"array": ["|O8", [1], "00" * 8]},
        {"array": ["<f8", [9], "00" * 8]},
        {"array": ["<f8", [1 << 40, 0, -1], ""]},
        {"array": ["<f8,<f8", [1], "00" * 16]},
        {"objects": [[3], [1]]},
        {"datetime": [1]},
        {"deque": [[1], "x"]},
        [_nested_tuples(MOST_DEPTH + 1)],
    ],
    ids=lambda tree: str(tree)[:40],
)
def test_what_no_encoder_sends_is_refused(tree: Any) -> None:
    with pytest.raises(ForgedError):
        DECODER.decode(tree)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["tuple", "dict", "set", "int", "array", "date", "x"]), inner
            )
        ),
    )
)
def test_any_tree_is_data_or_refused(tree: Any) -> None:
    with contextlib.suppress(ForgedError):
        DECODER.decode(tree)
