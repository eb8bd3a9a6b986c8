"""A grid of 10,000 cells: what ticks, conditions, plans, audits and pages take.

`python -m bench.large_grid FOLDER [--models 100] [--benchmarks 100] [--json FILE] [--browser]
[--daemon]`.
The folder keeps the grid: files by the platform's own writer, and an instance that remembers a run,
the assets and the verdicts of every cell. Making 10,000 cells takes a quarter of an hour on two
cores, once. `--browser` starts the web server on it and draws its pages in a Chromium, with
Dagster's own event log and with ours. `--daemon` lets Dagster's daemon tick on it for six minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.large_grid_daemon import rounds
from bench.large_grid_events import damage, make_instance
from bench.large_grid_files import make_files, open_grid, write_costs
from bench.large_grid_measures import Measured, Platform, loading, measures
from bench.large_grid_ui import pages
from bench.side_by_side import show
from commands.live_dagster import LiveDagster

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Make the grid, measure, print a table."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        done: list[Measured] = []
        show("| what | first s | steady s | what came of it |\n|---|---|---|---|")
        for one in _measured(folder.resolve(), arguments):
            show(str(one))
            done.append(one)
    if arguments.json:
        arguments.json.write_text(json.dumps([one.as_dict() for one in done], indent=2))


def _arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="keeps the grid; default: none does")
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--benchmarks", type=int, default=100, help="tasks times two shot settings")
    parser.add_argument("--processes", type=int, default=2, help="that make files")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--browser", action="store_true", help="draw the pages, too")
    parser.add_argument("--daemon", action="store_true", help="let the daemon tick on it, too")
    return parser.parse_args()


def _measured(folder: Path, arguments: argparse.Namespace) -> Iterator[Measured]:
    """Everything."""
    grid = open_grid(folder, arguments.models, arguments.benchmarks)
    make_files(grid, arguments.processes)
    write_costs(grid)
    home = folder / "dagster"
    instance = make_instance(grid, home, ROOT / "dagster.yaml")
    damage(grid)
    settings = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "QUARRY_CATALOG": str(grid.catalog_path),
        "QUARRY_DATA_DIR": str(grid.directory.root),
        "QUARRY_DEPLOYMENT": "local",
        "QUARRY_STORE": "off",
    }
    yield loading(settings, ROOT)
    yield from measures(Platform.of(grid, instance))
    os.environ.update(settings)
    if arguments.daemon:
        with LiveDagster(folder / "dagster.log") as live:
            yield from rounds(live)
    if arguments.browser:
        ours = (ROOT / "dagster.yaml").read_text()
        for whose, text in ("Dagster's event log", without_our_storage(ours)), ("ours", ours):
            (home / "dagster.yaml").write_text(text)
            with LiveDagster(folder / "dagster.log") as live:
                for one in pages(live.url):
                    yield replace(one, what=f"{one.what} ({whose})")


def without_our_storage(settings: str) -> str:
    """Settings of an instance as Dagster is without us."""
    lines = settings.splitlines(keepends=True)
    at = lines.index("instance_class:\n")
    return "".join(lines[:at] + lines[at + 3 :])


if __name__ == "__main__":
    sys.exit(main())
