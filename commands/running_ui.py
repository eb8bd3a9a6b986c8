"""`RunningUi`: which Dagster `quarry ui` has started on this instance, and whether it is ours.

The file lies in the instance's directory. Nobody removes it at the end, since `dagster dev` takes
the place of the process that wrote it: one whose process is gone is stale, and removed when read.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from commands.graphql import GraphQL
from commands.platform import console
from quarry.errors import QuarryError, UsageError
from quarry.processes import host_mark, is_alive
from quarry.trajectory.space import disk_named

if TYPE_CHECKING:
    from dagster import DagsterInstance

_FILE = "ui.json"
_LOCATION = "quarry"
_START_S, _DAEMON_START_S = 90.0, 60.0
_SILENCE_S = 120.0
"""A daemon says every 30 s that it lives; a slow tick may take its time."""
DAEMONS = ("BACKFILL", "QUEUED_RUN_COORDINATOR")
"""Those that a backfill needs."""
_INSTANCE_ID = re.compile(r'"instanceId":\s*"([^"]*)"')


@dataclass(frozen=True)
class RunningUi:
    """What `quarry ui` said when it started.

    Args:
        url: where a browser finds it.
        pid: its process, which `dagster dev` then is.
        host: the machine or container whose process that is.
        started_at: seconds since 1970.
        data_dir: the data directory that its runs work on.
        catalog: the catalog that it shows.
    """

    url: str
    pid: int
    host: str
    started_at: float
    data_dir: str
    catalog: str

    @classmethod
    def of_this_process(cls, port: int, *, data_dir: Path, catalog: Path) -> RunningUi:
        """What this process should say before it becomes `dagster dev`."""
        url, now = f"http://127.0.0.1:{port}", time.time()
        return cls(url, os.getpid(), host_mark(), now, str(data_dir), str(catalog))

    @property
    def is_gone(self) -> bool:
        """Whether its process has ended, as far as this machine can tell."""
        return self.host == host_mark() and not is_alive(self.pid, self.started_at)

    def write(self, home: Path) -> None:
        """Say so in the instance's directory."""
        path = home / _FILE
        with disk_named(path):
            partial = path.with_name(f".{_FILE}.{os.getpid()}")
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
            partial.replace(path)


def recorded_ui(home: Path) -> RunningUi | None:
    """The Dagster that was started last and still runs; a stale file is removed."""
    path = home / _FILE
    try:
        found = RunningUi(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        found = None
    if found is None or found.is_gone:
        path.unlink(missing_ok=True)
        return None
    return found


def find_server(
    instance: DagsterInstance, home: Path, url: str = "", *, data_dir: Path, catalog: Path
) -> GraphQL | None:
    """The web server of this very instance; None where none was started.

    Args:
        instance: the instance.
        home: its directory.
        url: where the server is said to be; empty to look where `quarry ui` was started.
        data_dir: the data directory of this process.
        catalog: its catalog.

    Raises:
        UsageError: what answers is another instance's, or shows another catalog or other data.
        QuarryError: nobody answers at `url`, or the definitions can't be loaded there.
    """
    recorded = recorded_ui(home)
    if recorded is not None and (not url or recorded.url == url.rstrip("/")):
        _require_same(recorded, "data_dir", str(data_dir))
        _require_same(recorded, "catalog", str(catalog))
        url = recorded.url
    if not url:
        return None
    server = GraphQL(url)
    _require_this_instance(server, instance, home, is_starting=recorded is not None)
    return server


def require_daemon(
    instance: DagsterInstance, url: str, *, patience_s: float = _DAEMON_START_S
) -> None:
    """Wait a while for the daemon, which may be starting.

    Args:
        instance: where its heartbeats are.
        url: of the web server beside it.
        patience_s: how long to wait.

    Raises:
        QuarryError: it does not live.
    """
    end_s, is_told = time.monotonic() + patience_s, False
    while is_daemon_silent(instance):
        if not is_told:
            console.print("waiting for Dagster's daemon")
            is_told = True
        if time.monotonic() > end_s:
            raise QuarryError(
                "Dagster's daemon does not live, so that a backfill would never start",
                where=url,
                expected=f"heartbeats of {', '.join(DAEMONS)} within {_SILENCE_S:.0f} s",
                got="none",
                fix="end `quarry ui` and start it again (it starts the daemon, too), or use --here",
            )
        time.sleep(1)


def is_daemon_silent(instance: DagsterInstance) -> bool:
    """Whether the daemon seems to have ended while it was followed."""
    from sensors.backfills import silence_s

    silent_s = silence_s(instance, DAEMONS)
    return silent_s is None or silent_s > _SILENCE_S


def _require_same(recorded: RunningUi, name: str, ours: str) -> None:
    """Refuse to plan for one catalog or data directory and launch in another."""
    theirs = getattr(recorded, name)
    if theirs != ours:
        raise UsageError(
            "The Dagster that runs on this instance works with something else than this command",
            where=f"{recorded.url} ({name})",
            expected=ours,
            got=theirs,
            fix="set QUARRY_CATALOG, QUARRY_DATA_DIR and QUARRY_DEPLOYMENT as it was started with, "
            "or end it and start `quarry ui` again",
        )


def _require_this_instance(
    server: GraphQL, instance: DagsterInstance, home: Path, *, is_starting: bool
) -> None:
    """Refuse to launch into a stranger's Dagster.

    Its page carries the id that its storage was given when it was made.
    """
    theirs = _instance_id(server, patience_s=_START_S if is_starting else 0.0)
    ours = str(getattr(instance.run_storage, "get_run_storage_id")())  # noqa: B009
    if theirs != ours:
        raise UsageError(
            "What answers is not the Dagster of this instance, so nothing is launched there",
            where=server.url,
            expected=f"instance {ours} in {home}",
            got=f"instance {theirs}" if theirs else "a page that is not of Dagster's UI",
            fix="correct --url or DAGSTER_HOME, or leave --url out: `quarry ui` is found by itself",
        )
    locations = server.locations()
    if locations.get(_LOCATION) != "":
        raise server.refused(
            f"serving the code location {_LOCATION}",
            locations.get(_LOCATION) or f"locations {', '.join(locations) or 'none'}",
        )


def _instance_id(server: GraphQL, *, patience_s: float) -> str:
    """The id of the instance that a server shows; empty if the page is another.

    Raises:
        QuarryError: nobody answers, not even after a while.
    """
    end_s = time.monotonic() + patience_s
    while True:
        try:
            page = requests.get(f"{server.url}/", timeout=30)
            locations = server.locations() if _INSTANCE_ID.search(page.text) else {"": ""}
        except (requests.RequestException, ValueError) as error:
            if time.monotonic() > end_s:
                raise QuarryError(
                    "Nobody answers where Dagster should be",
                    where=server.url,
                    expected="Dagster's web server",
                    got=str(error),
                    fix="start `quarry ui`, correct --url, or use --here",
                ) from error
        else:
            found = _INSTANCE_ID.search(page.text)
            if locations or time.monotonic() > end_s:
                return found[1] if found else ""
        time.sleep(0.5)
