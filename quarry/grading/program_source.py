"""Questions about Python source that is never executed here: does it compile, what does it define.

Which part of a completion is source is decided in `quarry.grading.code_extraction`. Compiling warns
through the process-wide `warnings` state, so call these functions from one thread only.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterable
from functools import lru_cache

_MOST_CUTS = 200
_MOST_CHARACTERS = 1 << 18  # the compiler recurses over clauses without looking at its stack
_DOCSTRING_ONLY = (ast.Pass, ast.Expr)
_DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


@lru_cache(maxsize=64)
def compile_error(source: str) -> SyntaxError | None:
    """Why `source` does not compile, or None where it does.

    Null bytes, lone surrogates, nesting beyond the parser's stack and a length that no answer has
    count as syntax errors.
    """
    if len(source) > _MOST_CHARACTERS:
        return SyntaxError(f"a source of more than {_MOST_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is the model's business
            compile(source, "<program>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.with_traceback(None)
    except (ValueError, MemoryError, RecursionError) as error:
        return SyntaxError(str(error) or type(error).__name__)
    return None


def parsed(source: str) -> ast.Module | None:
    """The syntax tree, or None where the source does not compile."""
    if compile_error(source) is not None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def definition(name: str) -> re.Pattern[str]:
    """A pattern for the line that defines `name` as function or class, at any indentation."""
    return re.compile(
        rf"(?m)^(?P<indent>[ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b"
    )


def binds(source: str, name: str) -> bool:
    """Whether compiling source binds `name` at its top level."""
    tree = parsed(source)
    return tree is not None and any(name in bound_names(node) for node in tree.body)


def bound_names(node: ast.stmt) -> set[str]:
    """The names that a top-level statement binds; `*` for those of a whole module."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Try | ast.If):
        return {name for part in node.body for name in bound_names(part)}
    targets = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {each.id for each in targets if isinstance(each.ctx, ast.Store)}


def longest_compiling(head: str, code: str, indent: str = "") -> str | None:
    """The longest part of `code`, cut before a line without indent, that compiles behind `head`.

    The part is indented by `indent` first, for bodies that lost their indent.
    Each round drops at least the line of the first error, so text behind the code costs one or two
    compilations and not one a line. None where no part with a word in it compiles.
    """
    lines = code.splitlines(keepends=True)
    offset = head.count("\n")
    starts = [i for i, line in enumerate(lines) if line[:1].strip() and line[:1] not in ")]}"]
    end = len(lines)
    for _ in range(_MOST_CUTS):
        kept = textwrap.indent("".join(lines[:end]), indent)
        if not kept.strip():
            return None
        error = compile_error(head + kept)
        if error is None:
            return kept
        at = min((error.lineno or end + offset) - offset - 1, end - 1)
        end = max((start for start in starts if start <= at), default=0)
    return None


def keep_solution(program: str, entry_point: str) -> str:
    """The program with the lines that are no part of the solution blanked.

    Dropped are top-level statements that define nothing (examples, prints, the model's own
    asserts), and behind the solution whatever it does not use, such as an invented next problem.
    Line numbers stay. Source of the idea: `sanitize` of evalplus, which keeps what the entry point
    reaches.
    """
    tree = parsed(program)
    if tree is None:
        return program
    defined = [node for node in tree.body if entry_point in bound_names(node)]
    if not defined:
        return program
    entry = next((node for node in defined if not _is_stub(node)), defined[-1])
    at = tree.body.index(entry)
    kept = {id(node) for node in tree.body[: at + 1] if _defines(node, entry_point)}
    kept |= _reached(
        entry, [n for n in tree.body[at + 1 :] if _defines(n, entry_point)], entry_point
    )
    return _blanked(program, tree.body, kept)


def is_skeleton(source: str, entry_point: str) -> bool:
    """Whether compiling source defines the entry point without a body, wherever it does."""
    tree = parsed(source)
    defined = [node for node in tree.body if entry_point in bound_names(node)] if tree else []
    return bool(defined) and all(map(_is_stub, defined))


def _reached(entry: ast.stmt, later: Iterable[ast.stmt], entry_point: str) -> set[int]:
    """Ids of the later definitions that the entry point uses, directly or through each other."""
    waiting = [node for node in later if entry_point not in bound_names(node)]
    if not waiting:
        return set()
    used, kept = _names(entry), set[int]()
    while True:
        hit = [node for node in waiting if bound_names(node) & used and id(node) not in kept]
        if not hit:
            return kept
        for node in hit:
            kept.add(id(node))
            used |= _names(node)


def _defines(node: ast.stmt, entry_point: str) -> bool:
    """Whether a top-level statement only defines names, without running the solution or `input`."""
    if isinstance(node, ast.Try | ast.If):
        parts = [*node.body, *node.orelse]
        if isinstance(node, ast.Try):
            parts += [*node.finalbody, *(each for h in node.handlers for each in h.body)]
        is_main = isinstance(node, ast.If) and "__name__" in _names(node.test)
        return not is_main and all(_defines(part, entry_point) or _is_pass(part) for part in parts)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
        return not any(isinstance(f, ast.Name) and f.id in {entry_point, "input"} for f in calls)
    return isinstance(node, _DEFINITIONS)


def _is_pass(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass)


def _is_stub(node: ast.stmt) -> bool:
    """Whether a function has nothing but a docstring, `pass` or `...`."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and all(
        isinstance(part, _DOCSTRING_ONLY) for part in node.body
    )


def _names(node: ast.AST) -> set[str]:
    """Every name that is mentioned inside a node."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _blanked(program: str, nodes: Iterable[ast.stmt], kept: set[int]) -> str:
    """The program without the lines of the nodes that are not kept."""
    lines = program.splitlines(keepends=True)
    wanted = {line for node in nodes if id(node) in kept for line in _lines(node)}
    for node in nodes:
        for line in _lines(node):
            if id(node) not in kept and line not in wanted:
                lines[line - 1] = "\n"
    return "".join(lines).rstrip("\n") + "\n"


def _lines(node: ast.stmt) -> range:
    """Line numbers of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
