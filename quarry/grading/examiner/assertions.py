"""Turns a benchmark's tests into code that counts its assertions and keeps what they compared.

The meaning of the tests stays: operands are evaluated once and in order, and nothing is caught.
What a name of the tests stands for is decided in `names`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import CodeType, TracebackType

PASSED = "_quarry_passed"  # two underscores would be mangled in the methods of a test's class
_LEFT = "_quarry_left"
_RIGHT = "_quarry_right"
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Assertion:
    """One assertion in a source.

    Args:
        first: its first line.
        last: its last line.
        source: its text.
        is_comparison: whether it compares two values, and is no chain of comparisons.
        is_got_left: whether the left side is what the program gave.
    """

    first: int
    last: int
    source: str
    is_comparison: bool
    is_got_left: bool


@dataclass(frozen=True)
class WatchedSource:
    """Compiled source of a test.

    Args:
        code: what to execute; it calls `PASSED` after each assertion that held.
        lines: the source's lines.
        assertions: those in it.
    """

    code: CodeType
    lines: tuple[str, ...]
    assertions: tuple[Assertion, ...]

    def assertion_at(self, line: int) -> Assertion | None:
        """The innermost assertion that covers a line."""
        covering = [one for one in self.assertions if one.first <= line <= one.last]
        return min(covering, key=lambda one: one.last - one.first, default=None)

    def text_at(self, line: int) -> str:
        """The assertion at a line, or the line alone."""
        found = self.assertion_at(line)
        at_line = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return (found.source if found else at_line).strip()[:_MOST_CHARACTERS]


def watched(source: str, name: str, subjects: frozenset[str]) -> WatchedSource:
    """`source` with its assertions watched.

    Args:
        source: tests that compile.
        name: what tracebacks call the source.
        subjects: names whose call gives what the program made: the entry point, `candidate`.
    """
    tree = ast.parse(source)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assertions = tuple(_described(node, source, subjects) for node in found)
    tree = ast.fix_missing_locations(_Watcher().visit(tree))
    code = compile(tree, name, "exec", dont_inherit=True)
    return WatchedSource(code, tuple(source.splitlines()), assertions)


def compared(assertion: Assertion, failed_at: TracebackType) -> dict[str, object]:
    """What was expected and what came, by the names of the evidence, where the frame kept it."""
    kept = failed_at.tb_frame.f_locals
    if not assertion.is_comparison:
        return {"got": kept[_LEFT]} if _LEFT in kept else {}
    if _LEFT not in kept or _RIGHT not in kept:
        return {}
    got, expected = (_LEFT, _RIGHT) if assertion.is_got_left else (_RIGHT, _LEFT)
    return {"expected": kept[expected], "got": kept[got]}


def _described(node: ast.Assert, source: str, subjects: frozenset[str]) -> Assertion:
    test = node.test
    is_comparison = isinstance(test, ast.Compare) and len(test.ops) == 1
    is_got_left = True
    if isinstance(test, ast.Compare):
        is_got_left = _mentions(test.left, subjects) or not _mentions(test.comparators[0], subjects)
    text = ast.get_source_segment(source, node) or ""
    last = node.end_lineno or node.lineno
    return Assertion(node.lineno, last, text, is_comparison, is_got_left)


def _mentions(node: ast.expr, subjects: frozenset[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in subjects for each in ast.walk(node))


class _Watcher(ast.NodeTransformer):
    """Keeps operands in variables of the test's own, and counts what held."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """The assertion, watched, and the count behind it."""
        if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
            node.test.left = _kept(_LEFT, node.test.left)
            node.test.comparators = [_kept(_RIGHT, node.test.comparators[0])]
        elif not isinstance(node.test, ast.Constant):
            node.test = _kept(_LEFT, node.test)
        call = ast.Call(ast.Name(PASSED, ast.Load()), [], [])
        return [node, ast.copy_location(ast.Expr(call), node)]


def _kept(name: str, value: ast.expr) -> ast.expr:
    target = ast.copy_location(ast.Name(name, ast.Store()), value)
    return ast.copy_location(ast.NamedExpr(target, value), value)
