"""Drives the platform from a terminal: demo, ui, check, plan, backfill, collect, heal, others.

`quarry demo` and its sisters run this file, the one script that loads `definitions`. Each command
lives in `commands`; what it does with Dagster lives in `sensors.launcher`.
"""

from __future__ import annotations

import typer

from commands.backfilling import backfill
from commands.checking import check
from commands.collecting import demo
from commands.collecting_grid import collect
from commands.demo_heal import demo_heal
from commands.evaluation import evaluate
from commands.healing import heal, inventory
from commands.necessity import necessity
from commands.output import console
from commands.planning import plan
from commands.relabelling import relabel
from commands.serving import ui

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
COMMANDS = (
    demo,
    check,
    plan,
    backfill,
    collect,
    necessity,
    evaluate,
    relabel,
    heal,
    inventory,
    demo_heal,
    ui,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run a command; an error of the core ends in its message, without a traceback."""
    from quarry.errors import QuarryError

    try:
        app(prog_name="quarry")
    except QuarryError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
