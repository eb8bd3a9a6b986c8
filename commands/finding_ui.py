"""Finding the Dagster that runs on this instance, and refusing one that works on something else."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from commands.graphql import GraphQL
from commands.platform import console
from commands.running_ui import RunningUi, recorded_ui
from quarry.errors import NoAnswerError, QuarryError, UsageError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from assets.partitions import Grid

_LOCATION = "quarry"
_START_S = 90.0
_INSTANCE_ID = re.compile(r'"instanceId":\s*"([^"]*)"')


def live_ui(instance: DagsterInstance, home: Path) -> RunningUi | None:
    """The Dagster that `quarry ui` started on this instance and that still runs.

    Where its process can't tell, its address is asked.

    Args:
        instance: the instance.
        home: its directory.

    Raises:
        DiskError: what it has said can't be read.
    """
    found = recorded_ui(home)
    if found is None or found.is_certain:
        return found
    try:
        is_ours = _shown_id(GraphQL(found.url).page()) == _own_id(instance)
    except NoAnswerError:
        is_ours = False
    if not is_ours and not found.is_here:
        console.print(
            f"The Dagster UI that another machine or container has started does not answer "
            f"here ({found.url}): it is taken for ended",
            soft_wrap=True,
        )
    return found if is_ours else None


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
    live = live_ui(instance, home)
    if live is not None:
        # also for another name of it: whatever serves this instance, its daemon does the work
        _require_same(live, "data_dir", str(data_dir))
        _require_same(live, "catalog", str(catalog))
        url = url or live.url
    if not url:
        return None
    server = GraphQL(url)
    is_starting = live is not None and server.url == live.url
    _require_this_instance(server, instance, home, is_starting=is_starting)
    return server


def require_same_grid(server: GraphQL, grid: Grid) -> None:
    """Refuse to launch where the cells are others, or in another order.

    A backfill is launched with ranges of partition keys, which mean other cells where models or
    benchmarks stand in another order: the catalog was edited since the server has read it.

    Raises:
        UsageError: they differ.
        QuarryError: the server does not answer, or refuses.
    """
    from assets.specs import TRAJECTORIES
    from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION

    theirs = server.partition_keys(TRAJECTORIES.name)
    ours = {MODEL_DIMENSION: grid.models, BENCHMARK_DIMENSION: grid.benchmarks}
    for dimension, partitions in ours.items():
        expected, got = partitions.get_partition_keys(), theirs.get(dimension, [])
        if got != expected:
            raise UsageError(
                "The Dagster that runs has read another state of the catalog; nothing is launched",
                where=f"{server.url} ({dimension}s)",
                expected=", ".join(expected),
                got=", ".join(got) or "none",
                fix="press *Reload definitions* in the UI (Deployment > Code locations), or "
                "restart it: end `quarry ui` and start it again",
            )


def _require_same(live: RunningUi, name: str, ours: str) -> None:
    """Refuse to plan for one catalog or data directory and launch in another."""
    theirs = getattr(live, name)
    if theirs != ours:
        raise UsageError(
            "The Dagster that runs on this instance works with something else than this command",
            where=f"{live.url} ({name})",
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
    theirs = _served_id(server, patience_s=_START_S if is_starting else 0.0)
    ours = _own_id(instance)
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


def _own_id(instance: DagsterInstance) -> str:
    """The id that the instance's storage was given when it was made."""
    return str(getattr(instance.run_storage, "get_run_storage_id")())  # noqa: B009


def _shown_id(page: str) -> str:
    """The id of the instance that a page shows; empty if it is not of Dagster's UI."""
    found = _INSTANCE_ID.search(page)
    return found[1] if found else ""


def _served_id(server: GraphQL, *, patience_s: float) -> str:
    """The id of the instance that a server shows, once its definitions are loaded.

    Raises:
        QuarryError: nobody answers, not even after a while.
    """
    end_s = time.monotonic() + patience_s
    while True:
        try:
            found = _shown_id(server.page())
            is_ready = not found or bool(server.locations())
        except NoAnswerError as error:
            if time.monotonic() > end_s:
                raise QuarryError(
                    "Nobody answers where Dagster should be",
                    where=server.url,
                    expected="Dagster's web server",
                    got=error.got,
                    fix="start `quarry ui`, correct --url, or use --here",
                ) from error
        else:
            if is_ready or time.monotonic() > end_s:
                return found
        time.sleep(0.5)
