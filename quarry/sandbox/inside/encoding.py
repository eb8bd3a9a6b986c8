"""From a value to what JSON can hold, without pickle: the sender's half; `decoding` is the other.

None, bool, float, list, and int and str that JSON keeps stand for themselves. Everything else is an
object with one key, its tag. An instance of a subclass is sent as what its builtin base holds,
read by the base's own methods, so that no method of the subclass has a say. What has no plain form
goes to `opaque`, which returns a handle or refuses.
"""

from __future__ import annotations

import builtins
import sys
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import EllipsisType, MappingProxyType, ModuleType, NoneType
from typing import Any, cast

MOST_DEPTH = 200
_MOST_VALUES = 4_000_000
_SMALL = 1 << 63  # larger ones travel as hex, which takes linear time at both ends
_THEMSELVES = {NoneType, bool, float}
_NO_PAIRS: dict[Any, Any] = {}
_ITERATE: dict[type, Callable[[Any], Iterable[Any]]] = {
    kind: vars(kind)["__iter__"] for kind in (list, tuple, set, frozenset, deque)
}
"""The bases' own ways to iterate, which no method of a subclass replaces."""
_DICT_ITEMS: Callable[[Any], Iterable[Any]] = vars(dict)["items"]


class TooLargeError(ValueError):
    """A value is nested too deep, refers to itself or has too many parts."""


class Encoder:
    """Encodes one value at a time.

    Args:
        opaque: what to send for a value without plain form; may raise.
    """

    def __init__(self, opaque: Callable[[Any], Any]) -> None:
        self._opaque = opaque
        self._n_left = 0

    def encode(self, value: Any) -> Any:
        """What JSON can hold in place of `value`.

        Raises:
            TooLargeError: it is too deep, refers to itself or has too many parts.
        """
        self._n_left = _MOST_VALUES
        return self._encode(value, MOST_DEPTH)

    def _encode(self, value: Any, depth: int) -> Any:
        kind = cast(Any, type(value))
        if kind in _THEMSELVES:
            return value
        writer = _WRITERS.get(kind)
        if writer is None:
            writer = self._writer(kind)
        if depth == 0:
            raise TooLargeError("nested too deep, or refers to itself")
        return writer(self, value, depth - 1)

    def _writer(self, kind: type) -> _Writer:
        by_base = (_WRITERS[base] for base in type.mro(kind) if base in _WRITERS)
        return _numpy_writer(kind) or next(by_base, _write_opaque)

    def many(self, values: Iterable[Any], depth: int) -> list[Any]:
        """Each of `values` encoded."""
        items = list(values)
        self._n_left -= len(items) + 1
        if self._n_left < 0:
            raise TooLargeError(f"more than {_MOST_VALUES} values")
        kinds = set(map(type, items))
        if kinds <= _THEMSELVES or _is_plain(items, kinds):
            return items
        return [self._encode(item, depth) for item in items]

    def opaque(self, value: Any) -> Any:
        """What stands for a value without plain form."""
        return self._opaque(value)


_Writer = Callable[[Encoder, Any, int], Any]


def _is_plain(items: list[Any], kinds: set[type]) -> bool:
    """Whether JSON keeps all items as they are; asked of the two kinds that are common."""
    if kinds == {int}:
        return min(items) >= -_SMALL and max(items) < _SMALL
    return kinds == {str} and "".join(items).isascii()


def _write_int(encoder: Encoder, value: int, depth: int) -> Any:
    number = int.__add__(value, 0)
    return number if -_SMALL <= number < _SMALL else {"int": format(number, "x")}


def _write_str(encoder: Encoder, value: str, depth: int) -> Any:
    """JSON would join two surrogates that stand side by side to one character."""
    text = str.__str__(value)
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return {"surrogates": text.encode("utf-32-le", "surrogatepass").hex()}
    return text


def _write_list(encoder: Encoder, value: list[Any], depth: int) -> Any:
    return encoder.many(_ITERATE[list](value), depth)


def _write_tuple(encoder: Encoder, value: tuple[Any, ...], depth: int) -> Any:
    return {"tuple": encoder.many(_ITERATE[tuple](value), depth)}


def _write_pairs(tag: str) -> _Writer:
    def write(encoder: Encoder, value: Any, depth: int) -> Any:
        pairs: list[Any] = list(_DICT_ITEMS(value)) if tag == "dict" else list(value)
        keys = encoder.many((key for key, _ in pairs), depth)
        return {tag: [keys, encoder.many((item for _, item in pairs), depth)]}

    return write


def _write_deque(encoder: Encoder, value: deque[Any], depth: int) -> Any:
    return {"deque": [encoder.many(_ITERATE[deque](value), depth), value.maxlen]}


def _write_numbers(tag: str, *attributes: str) -> _Writer:
    def write(encoder: Encoder, value: Any, depth: int) -> Any:
        return {tag: encoder.many((getattr(value, name) for name in attributes), depth)}

    return write


def _write_group(tag: str, iterate: Callable[[Any], Iterable[Any]]) -> _Writer:
    def write(encoder: Encoder, value: Any, depth: int) -> Any:
        return {tag: encoder.many(iterate(value), depth)}

    return write


def _write_moment(encoder: Encoder, value: datetime, depth: int) -> Any:
    zone = value.tzinfo
    if zone is not None and type(zone) is not timezone:
        return encoder.opaque(value)
    offset = None if zone is None else zone.utcoffset(None)
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second)
    return {"datetime": [*parts, value.microsecond, value.fold, encoder.many([offset], depth)[0]]}


def _write_time(encoder: Encoder, value: time, depth: int) -> Any:
    if value.tzinfo is not None:
        return encoder.opaque(value)
    return {"time": [value.hour, value.minute, value.second, value.microsecond, value.fold]}


def _write_type(encoder: Encoder, value: type, depth: int) -> Any:
    name = type.__dict__["__name__"].__get__(value)
    return {"type": name} if vars(builtins).get(name) is value else encoder.opaque(value)


def _write_function(encoder: Encoder, value: Any, depth: int) -> Any:
    name = value.__name__
    return {"function": name} if vars(builtins).get(name) is value else encoder.opaque(value)


def _write_module(encoder: Encoder, value: ModuleType, depth: int) -> Any:
    name = vars(value).get("__name__")
    is_itself = isinstance(name, str) and sys.modules.get(name) is value
    return {"module": name} if is_itself else encoder.opaque(value)


def _write_opaque(encoder: Encoder, value: Any, depth: int) -> Any:
    return encoder.opaque(value)


def _numpy_writer(kind: type) -> _Writer | None:
    """How arrays and scalars of numpy are sent, where numpy is loaded."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return None
    return _write_array if issubclass(kind, numpy.ndarray | numpy.generic) else None


def _write_array(encoder: Encoder, value: Any, depth: int) -> Any:
    numpy: Any = sys.modules["numpy"]
    array: Any = numpy.asarray(value)
    shape = list(array.shape)
    is_scalar = isinstance(value, numpy.generic)
    if array.dtype.kind == "O":
        return {"objects": [shape, encoder.many(array.ravel().tolist(), depth)]}
    if array.dtype.kind not in "biufcUSMm":
        return encoder.opaque(value)
    if array.nbytes > _MOST_VALUES:
        raise TooLargeError(f"an array of {array.nbytes} bytes")
    return {"scalar" if is_scalar else "array": [array.dtype.str, shape, array.tobytes().hex()]}


_WRITERS: dict[type, _Writer] = {
    NoneType: lambda encoder, value, depth: None,
    bool: lambda encoder, value, depth: value,
    int: _write_int,
    float: lambda encoder, value, depth: float.__pos__(value),
    str: _write_str,
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_pairs("dict"),
    set: _write_group("set", _ITERATE[set]),
    frozenset: _write_group("frozenset", _ITERATE[frozenset]),
    deque: _write_deque,
    type(_NO_PAIRS.keys()): _write_group("dict_keys", iter),
    type(_NO_PAIRS.values()): _write_group("dict_values", iter),
    type(_NO_PAIRS.items()): _write_pairs("dict_items"),
    complex: _write_numbers("complex", "real", "imag"),
    range: _write_numbers("range", "start", "stop", "step"),
    MappingProxyType: lambda encoder, value, depth: _WRITERS[dict](encoder, dict(value), depth),
    ChainMap: lambda encoder, value, depth: _WRITERS[dict](encoder, dict(value), depth),
    UserDict: lambda encoder, value, depth: _WRITERS[dict](encoder, dict(value), depth),
    UserList: lambda encoder, value, depth: _write_list(encoder, list(value), depth),
    slice: _write_numbers("slice", "start", "stop", "step"),
    bytes: lambda encoder, value, depth: {"bytes": bytes.hex(value)},
    bytearray: lambda encoder, value, depth: {"bytearray": bytearray.hex(value)},
    Decimal: lambda encoder, value, depth: {"decimal": Decimal.__str__(value)},
    Fraction: _write_numbers("fraction", "numerator", "denominator"),
    date: _write_numbers("date", "year", "month", "day"),
    datetime: _write_moment,
    time: _write_time,
    timedelta: _write_numbers("timedelta", "days", "seconds", "microseconds"),
    EllipsisType: lambda encoder, value, depth: {"ellipsis": 0},
    type: _write_type,
    type(len): _write_function,
    ModuleType: _write_module,
}
