"""Where the names of trusted tests come from: the tests, the prompt, Python, or the program.

A program that puts something of its own in the place of a builtin function or of a module of the
standard library does not get the tests to use it.
"""

from __future__ import annotations

import builtins
import symtable
import sys
from collections.abc import Iterable
from typing import Any

from quarry.grading.examiner.conversation import Conversation


def free_names(sources: Iterable[str]) -> frozenset[str]:
    """Global names that sources use together and none of them binds."""
    used: set[str] = set()
    bound: set[str] = set()
    for source in sources:
        _collect(symtable.symtable(source, "<test>", "exec"), used, bound, is_top=True)
    return frozenset(used - bound)


def names_of_tests(sources: Iterable[str]) -> frozenset[str]:
    """Global names that sources assign; a program that shares their namespace loses its own."""
    bound: set[str] = set()
    for source in sources:
        table = symtable.symtable(source, "<test>", "exec")
        bound |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    return frozenset(bound)


def _collect(
    table: symtable.SymbolTable, used: set[str], bound: set[str], *, is_top: bool = False
) -> None:
    for symbol in table.get_symbols():
        is_global = is_top or symbol.is_global()
        if is_global and symbol.is_referenced():
            used.add(symbol.get_name())
        if is_global and (symbol.is_assigned() or symbol.is_imported()):
            bound.add(symbol.get_name())
    for child in table.get_children():
        _collect(child, used, bound)


def resolved(
    bound: Iterable[str],
    entry_point: str,
    preamble: dict[str, Any],
    conversation: Conversation,
    *,
    is_as_published: bool,
) -> dict[str, Any]:
    """What free names stand for; a name that nobody has is absent, as in a plain run.

    Args:
        bound: those that the program says it has bound.
        entry_point: what is tested; always the program's.
        preamble: those that the prompt defines.
        conversation: with the worker, which has run the program.
        is_as_published: whether the program's own names go first, as they do where program and
            tests share a namespace.
    """
    found = {name: value for name, value in preamble.items() if name != entry_point}
    for name in bound:
        if is_as_published or name not in found:
            value = conversation.ask("name", name)
            if is_as_published or name == entry_point or not _is_forged(name, value):
                found[name] = value
    return found


def _is_forged(name: str, value: Any) -> bool:
    """Whether the program has put something of its own where the tests use Python's own."""
    if name in sys.stdlib_module_names:
        return value is not sys.modules.get(name)
    return hasattr(builtins, name) and callable(value)
