"""The `quarry` command: its commands, and how errors end it.

A command lives in the module of its name. Modules that import pandas, h5py, pyarrow or matplotlib
are imported inside the commands, so that `quarry --help` starts at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import quarry
from quarry.cli import (
    adopt,
    audit,
    devices,
    eval_set,
    grade,
    inspect,
    leakage,
    platform,
    reforward,
    repair,
    salvage,
    scrub,
    stratify,
    verify,
)
from quarry.cli.output import INTERRUPTED, WRONG_USE, printable
from quarry.errors import QuarryError

app = typer.Typer(
    name="quarry",
    help="Activation trajectories, labels and datasets of language models, kept trustworthy.\n\n"
    "Exit codes: 0 clean, 1 findings, 2 wrong use. Results go to stdout, messages to stderr.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"quarry {quarry.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of `quarry` itself."""


app.command("verify")(verify.verify_files)
app.command("adopt")(adopt.adopt_files)
app.command("scrub")(scrub.scrub_directory)
app.command("reforward")(reforward.reforward_files)
app.command("repair")(repair.repair_file)
app.command("salvage")(salvage.salvage_file)
app.command("inspect")(inspect.inspect_file)
app.command("audit")(audit.audit_grid)
app.command("grade")(grade.grade_file)
app.command("stratify")(stratify.stratify_candidates)
app.command("devices")(devices.list_devices)
app.command("leakage")(leakage.find_leakage)
app.command("eval-set")(eval_set.show_eval_set)
app.command("inspect-pickle")(eval_set.show_pickle)
platform.register(app)


def run() -> None:
    """Run the command line; every error that quarry raises on purpose ends in its message."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    try:
        app()
    except QuarryError as error:
        sys.stderr.write(printable(f"quarry: {error}\n"))
        sys.exit(WRONG_USE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
