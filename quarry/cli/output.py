"""What commands write: results to stdout, progress and messages to stderr, nothing mixed.

With `--json` a command calls `emit_json` or `emit_json_line` and nothing else writes to stdout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

CLEAN, FINDINGS, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
BROKEN_PIPE = 141
"""128 + SIGPIPE, as other Unix tools end when their reader leaves."""

Advance = Callable[[int, int, str], None]
"""Called with done, total and what is being worked on."""

_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}


def emit(text: str) -> None:
    """Write to stdout at once; end quietly when nobody reads any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter's own flush at exit would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


def emit_json(document: Any) -> None:
    """Write one indented JSON document."""
    emit(json.dumps(document, indent=2) + "\n")


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line; ASCII, so that lone surrogates in model outputs can't break it."""
    try:
        return json.dumps(record) + "\n"
    except RecursionError:
        # nested deeper than Python can write back: the foreign values go, the verdict stays
        flat = {
            n: v for n, v in record.items() if n == "evidence" or not isinstance(v, list | dict)
        }
        return json.dumps(flat) + "\n"


def printable(text: str) -> str:
    """Model output with control characters made visible, so that it can't drive the terminal."""
    return text.translate(_CONTROL)


def emit_markdown(text: str) -> None:
    """Markdown as it is; drawn on a terminal, as wide as that is."""
    if not sys.stdout.isatty():
        emit(text)
        return
    from rich.console import Console

    from quarry.cli.drawn_markdown import DrawnMarkdown

    Console().print(DrawnMarkdown(text))


@contextmanager
def progress_bar() -> Generator[Advance | None]:
    """A bar on stderr while the block runs; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def advance(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total or None, description=what)

        yield advance
