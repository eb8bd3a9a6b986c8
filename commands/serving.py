"""`ui`: the Dagster UI with its daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.output import console
from commands.platform import ROOT, prepare_instance


def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 3000) -> None:
    """Open the Dagster UI and its daemon on the current deployment; Ctrl-C ends both."""
    prepare_instance()
    console.print(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    dagster = Path(sys.executable).with_name("dagster")
    os.chdir(ROOT)
    os.execv(dagster, [str(dagster), "dev", "-w", "workspace.yaml", "-p", str(port)])
