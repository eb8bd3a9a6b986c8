"""Commands that need Dagster: passed on to `manage.py` in the checkout, exit code included.

The core knows no Dagster, so nothing of these commands lives here but their names and help.
"""

from __future__ import annotations

import subprocess
import sys

import typer

from quarry.cli.locations import require_checkout

COMMANDS = {
    "demo": "Train the demo models and materialise the whole grid, then print the audit.\n\n"
    "Example: `quarry demo`",
    "plan": "Say which cells are missing, failed, corrupt or stale, and what making them costs."
    "\n\nExample: `quarry plan --missing --failed --json`",
    "backfill": "Make what `quarry plan` names, through the Dagster UI if it runs.\n\n"
    "Example: `quarry backfill --missing --corrupt --max 4 --dry-run`",
    "collect": "Collect what is missing, failed or damaged in one run, each model loaded once.\n\n"
    "Example: `quarry collect --model demo_base --dry-run`",
    "evaluate": "Make sampled, graded evaluation sets of fine-tuned checkpoints: what is missing, "
    "failed or stale.\n\nExample: `quarry evaluate --run mayors-1epoch --dry-run`",
    "necessity": "Test which problems need a chain of thought, shard by shard, and choose the "
    "stratified datasets.\n\nExample: `quarry necessity --model demo_codi --dry-run`",
    "check": "Run the asset checks of all partitions.\n\nExample: `quarry check`",
    "relabel": "Grade stored outputs again where labels are missing or out of date, in one run.\n\n"
    "Example: `quarry relabel --plan`",
    "heal": "Restore, copy or collect what is damaged or missing, the cheapest sound way.\n\n"
    "Example: `quarry heal --plan`",
    "inventory": "Compare the object store with the grid.\n\nExample: `quarry inventory --json`",
    "demo-heal": "Damage cells of the demo in six ways and watch a real `dagster dev` heal them."
    "\n\nExample: `quarry demo-heal`",
    "ui": "Open the Dagster UI on this checkout.\n\nExample: `quarry ui`",
}


def register(app: typer.Typer) -> None:
    """Add one command per entry of `COMMANDS`; `--help` is answered by manage.py."""
    settings = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": list[str](),
    }
    for name, text in COMMANDS.items():
        app.command(name, help=text, context_settings=settings, rich_help_panel="Platform")(
            _pass_on
        )


def _pass_on(context: typer.Context) -> None:
    """Run `manage.py` with the same command and arguments."""
    command = [sys.executable, "manage.py", str(context.info_name), *context.args]
    child = subprocess.Popen(command, cwd=require_checkout())
    while True:
        try:
            raise typer.Exit(_shell_code(child.wait()))
        except KeyboardInterrupt:
            # Ctrl-C reaches the child as well; it stops its own runs and then ends
            continue


def _shell_code(code: int) -> int:
    """The exit code as a shell reports it: 128 + n for a child that signal n ended."""
    return 128 - code if code < 0 else code
