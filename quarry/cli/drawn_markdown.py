"""Markdown drawn on a terminal; a table that does not fit is told row by row, never cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_UNBOUNDED = 100_000
_PAIR = 2


class _FittingTable(TableElement):
    """A table with whole words; one of names and values breaks the values instead."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table) and not _fits(table, console, options):
                if len(table.columns) > _PAIR:
                    yield from _records(table)
                    continue
                for column in table.columns:
                    column.overflow = "fold"
            yield table


class DrawnMarkdown(Markdown):
    """Markdown whose tables lose nothing on a narrow terminal."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "table_open": _FittingTable,
    }


def _fits(table: Table, console: Console, options: ConsoleOptions) -> bool:
    """Whether no word has to be cut."""
    unbounded = options.update(width=_UNBOUNDED)
    return Measurement.get(console, unbounded, table).minimum <= options.max_width


def _records(table: Table) -> Iterator[Text]:
    """A paragraph a row: each cell that says something, behind the heading of its column."""
    headings = [_text(column.header) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        pairs = zip(headings, map(_text, row), strict=True)
        told = [Text.assemble(heading, ": ", cell) for heading, cell in pairs if cell.plain]
        yield Text("; ", overflow="fold").join(told)
        yield Text("")


def _text(content: object) -> Text:
    """What a cell holds; Markdown's are texts already."""
    return content if isinstance(content, Text) else Text(str(content))
