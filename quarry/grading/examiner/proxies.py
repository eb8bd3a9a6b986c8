"""What stands for an object of the worker's in the trusted tests: each use is a question.

A proxy never equals plain data, and has no order, no arithmetic and no `in`, which would hand the
program what the test compares with: it could answer yes to everything. Two are equal where they are
the same object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[..., Any]


class Proxy:
    """An object, a function or a class of the worker's."""

    __slots__ = ("_Proxy__ask", "_Proxy__name", "_Proxy__number")

    def __init__(self, ask: Ask, number: int, name: str) -> None:
        """Keep how to ask, without `__setattr__`, which asks."""
        object.__setattr__(self, "_Proxy__ask", ask)
        object.__setattr__(self, "_Proxy__number", number)
        object.__setattr__(self, "_Proxy__name", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in the worker, with copies of the arguments."""
        return self.__ask("call", self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        """An attribute; special methods that are looked up on instances are none of its."""
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self.__ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute in the worker."""
        self.__ask("setattr", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        """An item."""
        return self.__ask("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set an item in the worker."""
        self.__ask("setitem", self, key, value)

    def __len__(self) -> int:
        """The length that it claims."""
        return self.__plain("len", int)

    def __iter__(self) -> Any:
        """An iterator, in the worker too."""
        return self.__ask("iter", self)

    def __next__(self) -> Any:
        """The next item."""
        return self.__ask("next", self)

    def __bool__(self) -> bool:
        """Its truth."""
        return self.__plain("bool", bool)

    def __str__(self) -> str:
        """Its text."""
        return self.__plain("str", str)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same object."""
        return self is other

    def __hash__(self) -> int:
        """By identity, as equality goes."""
        return id(self)

    def __repr__(self) -> str:
        """What a person reads in the evidence; the worker is not asked."""
        return f"<{self.__name} of the program>"

    def __plain(self, what: str, kind: type) -> Any:
        """An answer that has to be of one type."""
        answer = self.__ask(what, self)
        if type(answer) is not kind:
            raise TypeError(f"{what} of a {self.__name} gives a {type(answer).__name__}")
        return answer


def number_of(proxy: Proxy) -> int:
    """The number of the handle that a proxy stands for."""
    return object.__getattribute__(proxy, "_Proxy__number")
