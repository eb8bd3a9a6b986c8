"""From what came over the wire to a value; withstands whatever a hostile sender makes up.

Only plain data comes out, and what `handle` and `module` return for what is not. Everything that
does not fit raises `ForgedError`: sizes are bounded by the frame, depth by `MOST_DEPTH`, time by
the deadline of whoever calls. `encoding` is the other half.
"""

from __future__ import annotations

import builtins
import importlib
import math
import re
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from quarry.sandbox.inside.encoding import MOST_DEPTH

_DTYPE = re.compile(r"[<>|=](?:[biufcUS]\d{1,9}|[Mm]8(?:\[\d{0,9}[a-zA-Zμ]{1,2}\])?)")


class ForgedError(Exception):
    """What came can't have been sent by the encoder."""


_Reader = Callable[["Decoder", Any, int], Any]


class Decoder:
    """Decodes what one other side sends.

    Args:
        handle: the object that a handle's content stands for.
        module: the module of a name; raises where it is not to be had.
        has_functions: whether builtin functions may come, which only a trusted sender may name.
    """

    def __init__(
        self,
        handle: Callable[[Any], Any],
        module: Callable[[str], Any],
        *,
        has_functions: bool = False,
    ) -> None:
        self._readers: dict[str, _Reader] = {
            **_READERS,
            "handle": lambda decoder, content, depth: handle(content),
            "module": lambda decoder, content, depth: module(_text(content)),
        }
        if has_functions:
            self._readers["function"] = lambda decoder, content, depth: getattr(builtins, content)

    def decode(self, tree: Any) -> Any:
        """The value that `tree` stands for.

        Raises:
            ForgedError: it stands for none.
        """
        try:
            return self.one(tree, MOST_DEPTH)
        except ForgedError:
            raise
        except Exception as error:  # noqa: BLE001  made of whatever a hostile sender chose
            raise ForgedError(f"{type(error).__name__}: {error}"[:200]) from None

    def one(self, tree: Any, depth: int) -> Any:
        """One value, `depth` levels above the deepest that is allowed."""
        if type(tree) is list:
            return self.many(cast(Any, tree), depth)
        if type(tree) is not dict:
            return tree
        tagged = cast(dict[str, Any], tree)
        if depth == 0 or len(tagged) != 1:
            raise ForgedError("nested too deep" if depth == 0 else "no tag")
        ((tag, content),) = tagged.items()
        reader = self._readers.get(tag)
        if reader is None:
            raise ForgedError(f"an unknown tag {tag[:50]!r}")
        return reader(self, content, depth - 1)

    def many(self, trees: Any, depth: int) -> list[Any]:
        """A list of values."""
        if type(trees) is not list:
            raise ForgedError("no list where one belongs")
        items = cast(list[Any], trees)
        kinds = set(map(type, items))
        if dict not in kinds and list not in kinds:
            return items
        if depth == 0:
            raise ForgedError("nested too deep")
        return [self.one(item, depth - 1) for item in items]


def _text(content: Any) -> str:
    if type(content) is not str:
        raise ForgedError("no text where it belongs")
    return content


def _integers(content: Any, *, has_none: bool = False) -> list[Any]:
    """A list of ints, big ones included; only what a constructor of numbers takes."""
    numbers = [_read_int(item["int"]) if type(item) is dict else item for item in content]
    if not all(type(item) is int or (has_none and item is None) for item in numbers):
        raise ForgedError("no integers where they belong")
    return numbers


def _read_int(content: Any) -> int:
    return int(_text(content), 16)


def _read_dict(decoder: Decoder, content: Any, depth: int) -> dict[Any, Any]:
    keys, values = content
    return dict(zip(decoder.many(keys, depth), decoder.many(values, depth), strict=True))


def _read_values(decoder: Decoder, content: Any, depth: int) -> Any:
    return dict(enumerate(decoder.many(content, depth))).values()


def _read_complex(decoder: Decoder, content: Any, depth: int) -> complex:
    real, imaginary = content
    if type(real) is not float or type(imaginary) is not float:
        raise ForgedError("no floats where they belong")
    return complex(real, imaginary)


def _read_moment(decoder: Decoder, content: Any, depth: int) -> datetime:
    *numbers, fold, offset = content
    zone = None if offset is None else timezone(cast(timedelta, decoder.one(offset, depth)))
    return datetime(*_integers(numbers), fold=fold, tzinfo=zone)


def _read_time(decoder: Decoder, content: Any, depth: int) -> time:
    *numbers, fold = _integers(content)
    return time(*numbers, fold=fold)


def _read_deque(decoder: Decoder, content: Any, depth: int) -> deque[Any]:
    items, most = content
    return deque(decoder.many(items, depth), *_integers([most], has_none=True))


def _read_type(decoder: Decoder, content: Any, depth: int) -> type:
    found = getattr(builtins, _text(content))
    if not isinstance(found, type):
        raise ForgedError(f"no builtin type {content[:50]!r}")
    return found


def _read_array(decoder: Decoder, content: Any, depth: int) -> Any:
    numpy: Any = importlib.import_module("numpy")
    kind, shape, raw = content
    if not _DTYPE.fullmatch(_text(kind)):
        raise ForgedError(f"an array of {kind[:50]!r}")
    flat = numpy.frombuffer(bytes.fromhex(_text(raw)), dtype=numpy.dtype(kind))
    return flat.reshape(_integers(shape)).copy()


def _read_objects(decoder: Decoder, content: Any, depth: int) -> Any:
    numpy: Any = importlib.import_module("numpy")
    shape, items = content
    values = decoder.many(items, depth)
    if math.prod(_integers(shape)) != len(values):
        raise ForgedError("an array of another shape")
    array: Any = numpy.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape)


_READERS: dict[str, _Reader] = {
    "int": lambda decoder, content, depth: _read_int(content),
    "surrogates": lambda decoder, content, depth: bytes.fromhex(_text(content)).decode(
        "utf-32-le", "surrogatepass"
    ),
    "tuple": lambda decoder, content, depth: tuple(decoder.many(content, depth)),
    "dict": _read_dict,
    "dict_keys": lambda decoder, content, depth: dict.fromkeys(decoder.many(content, depth)).keys(),
    "dict_values": _read_values,
    "dict_items": lambda decoder, content, depth: _read_dict(decoder, content, depth).items(),
    "set": lambda decoder, content, depth: set(decoder.many(content, depth)),
    "frozenset": lambda decoder, content, depth: frozenset(decoder.many(content, depth)),
    "deque": _read_deque,
    "complex": _read_complex,
    "range": lambda decoder, content, depth: range(*_integers(content)),
    "slice": lambda decoder, content, depth: slice(*decoder.many(content, depth)),
    "bytes": lambda decoder, content, depth: bytes.fromhex(_text(content)),
    "bytearray": lambda decoder, content, depth: bytearray.fromhex(_text(content)),
    "decimal": lambda decoder, content, depth: Decimal(_text(content)),
    "fraction": lambda decoder, content, depth: Fraction(*_integers(content)),
    "date": lambda decoder, content, depth: date(*_integers(content)),
    "datetime": _read_moment,
    "time": _read_time,
    "timedelta": lambda decoder, content, depth: timedelta(*_integers(content)),
    "ellipsis": lambda decoder, content, depth: ...,
    "type": _read_type,
    "array": _read_array,
    "scalar": lambda decoder, content, depth: _read_array(decoder, content, depth)[()],
    "objects": _read_objects,
}
