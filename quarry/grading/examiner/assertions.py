"""Turns a benchmark's tests into code that counts its assertions and keeps what they compared.

The meaning of the tests stays: operands are evaluated once and in order, and nothing is caught.
What a name of the tests stands for is decided in `names`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, TracebackType
from typing import TypedDict

PASSED = "_quarry_passed"  # two underscores would be mangled in the methods of a test's class
_LEFT = "_quarry_left"
_RIGHT = "_quarry_right"
_MOST_CHARACTERS = 300


class _Place(TypedDict):
    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


@dataclass(frozen=True)
class Assertion:
    """One assertion in a source.

    Args:
        source: its text.
        is_comparison: whether it compares two values, and is no chain of comparisons.
        is_got_left: whether the left side is what the program gave.
    """

    source: str
    is_comparison: bool
    is_got_left: bool


@dataclass(frozen=True)
class WatchedSource:
    """Compiled source of a test.

    Args:
        code: what to execute; it calls `PASSED` after each assertion that held.
        source: its text.
        subjects: names whose call gives what the program made.
    """

    code: CodeType
    source: str
    subjects: frozenset[str]

    def assertion_at(self, line: int) -> Assertion | None:
        """The innermost assertion that covers a line."""
        covering = [
            one for one in _assertions(self.source) if one.lineno <= line <= _last_line(one)
        ]
        if not covering:
            return None
        innermost = min(covering, key=lambda node: _last_line(node) - node.lineno)
        return _described(innermost, self.source, self.subjects)

    def text_at(self, line: int) -> str:
        """The assertion at a line, or the line alone."""
        found = self.assertion_at(line)
        lines = self.source.splitlines()
        at_line = lines[line - 1] if 0 < line <= len(lines) else ""
        return (found.source if found else at_line).strip()[:_MOST_CHARACTERS]


def watched(source: str, name: str, subjects: frozenset[str]) -> WatchedSource:
    """`source` with its assertions watched; what a failed one says is looked up when it fails.

    Args:
        source: tests that compile.
        name: what tracebacks call the source.
        subjects: names whose call gives what the program made: the entry point, `candidate`.
    """
    tree = ast.parse(source)
    _watch(tree.body)
    return WatchedSource(compile(tree, name, "exec", dont_inherit=True), source, subjects)


def compared(assertion: Assertion, failed_at: TracebackType) -> dict[str, object]:
    """What was expected and what came, by the names of the evidence, where the frame kept it."""
    kept = failed_at.tb_frame.f_locals
    if not assertion.is_comparison:
        return {"got": kept[_LEFT]} if _LEFT in kept else {}
    if _LEFT not in kept or _RIGHT not in kept:
        return {}
    got, expected = (_LEFT, _RIGHT) if assertion.is_got_left else (_RIGHT, _LEFT)
    return {"expected": kept[expected], "got": kept[got]}


@lru_cache(maxsize=1024)
def _assertions(source: str) -> tuple[ast.Assert, ...]:
    """The assertions of a source, for the next program that fails it, too."""
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert))


def _described(node: ast.Assert, source: str, subjects: frozenset[str]) -> Assertion:
    test = node.test
    is_comparison = isinstance(test, ast.Compare) and len(test.ops) == 1
    is_got_left = True
    if isinstance(test, ast.Compare):
        is_got_left = _mentions(test.left, subjects) or not _mentions(test.comparators[0], subjects)
    return Assertion(ast.get_source_segment(source, node) or "", is_comparison, is_got_left)


def _mentions(node: ast.expr, subjects: frozenset[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in subjects for each in ast.walk(node))


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _watch(block: list[ast.stmt]) -> None:
    """Keep the operands of a block's assertions, and of those below it; count what held."""
    at = 0
    while at < len(block):
        node = block[at]
        if isinstance(node, ast.Assert):
            _keep_operands(node)
            at += 1
            block.insert(at, _count(node))
        for inner in _blocks_in(node):
            _watch(inner)
        at += 1


def _blocks_in(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks right below a statement, a handler or a case."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if block:
            yield block
    for name in ("handlers", "cases"):
        for part in getattr(node, name, ()):
            yield from _blocks_in(part)


def _keep_operands(node: ast.Assert) -> None:
    if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
        node.test.left = _kept(_LEFT, node.test.left)
        node.test.comparators = [_kept(_RIGHT, node.test.comparators[0])]
    elif not isinstance(node.test, ast.Constant):
        node.test = _kept(_LEFT, node.test)


def _count(node: ast.Assert) -> ast.stmt:
    """The statement behind an assertion, which is reached where it held."""
    at = _place(node)
    return ast.Expr(ast.Call(ast.Name(PASSED, ast.Load(), **at), [], [], **at), **at)


def _kept(name: str, value: ast.expr) -> ast.expr:
    at = _place(value)
    return ast.NamedExpr(ast.Name(name, ast.Store(), **at), value, **at)


def _place(node: ast.stmt | ast.expr) -> _Place:
    """Where a node that is made for another one says that it stands."""
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno or node.lineno,
        "end_col_offset": node.end_col_offset or node.col_offset,
    }
