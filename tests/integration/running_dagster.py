"""`quarry ui` on the grid of a test, as a person would start it, and killed with its children."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from commands.graphql import GraphQL
from quarry.errors import QuarryError
from tests.integration.commands import Place, start
from tests.live_processes import descendants, free_port, kill, wait_for


@contextmanager
def running_ui(grid: Place) -> Iterator[subprocess.Popen[str]]:
    """The UI with its daemon, until the block ends; killed, as a machine that goes down would."""
    port = free_port()
    log = Path(grid.data_dir).with_name("ui.log")
    with log.open("a") as output:
        process = start("ui", grid, "--port", str(port), output=output)
        try:
            server = GraphQL(f"http://127.0.0.1:{port}")
            wait_for(lambda: _is_ready(server), f"the UI, see {log}")
            yield process
        finally:
            kill(*descendants(process.pid))
            process.wait(timeout=30)


def _is_ready(server: GraphQL) -> bool:
    """Whether the definitions are loaded."""
    try:
        return "" in server.locations().values()
    except (requests.RequestException, QuarryError):
        return False
