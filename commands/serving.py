"""`ui`: the Dagster UI with its daemon."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.output import console
from commands.platform import ROOT, prepare_instance
from quarry.errors import UsageError


def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 3000) -> None:
    """Open the Dagster UI and its daemon on the current deployment; Ctrl-C ends both."""
    home = prepare_instance()
    announce(port, home)
    console.print(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    dagster = Path(sys.executable).with_name("dagster")
    os.chdir(ROOT)
    os.execv(dagster, [str(dagster), "dev", "-w", "workspace.yaml", "-p", str(port)])


def announce(port: int, home: Path) -> None:
    """Leave word for `quarry backfill`, which launches through the Dagster that runs.

    Args:
        port: where this process will serve.
        home: the instance's directory.

    Raises:
        UsageError: another Dagster runs on the instance, or the port is taken.
    """
    from commands.instance_lock import instance_lock
    from commands.running_ui import RunningUi

    sys.path.insert(0, str(ROOT))
    import definitions

    deployment = definitions.current_deployment()
    with instance_lock(home):
        _require_alone(home)
        _require_free(port)
        found = RunningUi.of_this_process(
            port, data_dir=deployment.data_dir, catalog=deployment.catalog
        )
        found.write(home)


def _require_alone(home: Path) -> None:
    """Refuse a second daemon on one instance: both would launch the same.

    Raises:
        UsageError: `quarry ui` runs on it.
    """
    import dagster as dg

    from commands.finding_ui import live_ui

    with dg.DagsterInstance.get() as instance:
        other = live_ui(instance, home)
    if other is not None:
        raise UsageError(
            "A Dagster UI runs on this instance already, and two would launch the same twice",
            where=str(home),
            expected="no other `quarry ui` on it",
            got=f"{other.url} (process {other.pid}), with the catalog {other.catalog}",
            fix="open that one, or end it; for another catalog set DAGSTER_HOME, too",
        )


def _require_free(port: int) -> None:
    """Refuse a port that somebody listens on, which Dagster would notice and stay on without a UI.

    Raises:
        UsageError: it is taken.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return
    raise UsageError(
        "The Dagster UI can't be opened",
        where=f"port {port} on 127.0.0.1",
        expected="a port that nobody listens on",
        got="one in use, perhaps by a UI that is still open",
        fix=f"end the other, or take another: make ui PORT={port + 1}",
    )
