"""`quarry audit`: the state of the whole grid, what is usable, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quarry.cli.choices import Level
from quarry.cli.locations import (
    CATALOG_VARIABLE,
    DATA_DIR_VARIABLE,
    DEFAULT_CATALOG,
    DEFAULT_DATA_DIR,
    catalog_path,
    data_directory,
)
from quarry.cli.output import CLEAN, FINDINGS, emit_json, emit_markdown, progress_bar
from quarry.cli.written import write_text

if TYPE_CHECKING:
    from quarry.audit.report import Audit


def audit_grid(
    catalog: Annotated[
        Path | None,
        typer.Option(envvar=CATALOG_VARIABLE, help="Catalog file.", show_default=DEFAULT_CATALOG),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar=DATA_DIR_VARIABLE,
            help="Directory with trajectories/ and labels/.",
            show_default=DEFAULT_DATA_DIR,
        ),
    ] = None,
    level: Annotated[
        Level, typer.Option(help="light reads 4 KiB a file, structure its map, full every byte.")
    ] = Level.FULL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write CSV, one row a cell.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write one self-contained page.")] = None,
) -> None:
    """Audit the grid of a catalog: tables, usable files, recollection plan.

    Exit code 0 when every cell is OK, 1 when one is not, 2 on wrong use.

    Example: `quarry audit --catalog catalog/demo.yaml --html audit.html`
    """
    audit = _survey(catalog, data_dir, level)
    _write_files(audit, csv, html)
    if as_json:
        emit_json(audit.as_dict())
    else:
        from quarry.audit.tables import markdown

        emit_markdown(markdown(audit))
    raise typer.Exit(CLEAN if audit.is_clean else FINDINGS)


def _survey(catalog: Path | None, data_dir: Path | None, level: Level) -> Audit:
    """Examine every cell, with a bar on a terminal."""
    from quarry.audit.survey import survey
    from quarry.catalog import load_catalog

    loaded = load_catalog(catalog_path(catalog))
    folder = data_directory(data_dir)
    with progress_bar() as advance:
        return survey(loaded, folder, level=level.value, progress=advance)


def _write_files(audit: Audit, csv: Path | None, html: Path | None) -> None:
    """The files that were asked for."""
    from quarry.audit.csv import csv_text
    from quarry.audit.html import html_page

    if csv is not None:
        write_text(csv, csv_text(audit))
    if html is not None:
        write_text(html, html_page(audit))
