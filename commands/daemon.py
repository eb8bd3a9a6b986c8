"""Dagster's daemon, without which a launched backfill never starts: waiting for it, missing it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from commands.platform import console
from quarry.errors import QuarryError

if TYPE_CHECKING:
    from dagster import DagsterInstance

DAEMONS = ("BACKFILL", "QUEUED_RUN_COORDINATOR")
"""Those that a backfill needs."""
_SILENCE_S = 120.0
"""A daemon says every 30 s that it lives; a slow tick may take its time."""
_START_S = 60.0


def require_daemon(instance: DagsterInstance, url: str, *, patience_s: float = _START_S) -> None:
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
    """Whether the daemon was not heard for longer than it ever is silent."""
    from sensors.backfills import silence_s

    silent_s = silence_s(instance, DAEMONS)
    return silent_s is None or silent_s > _SILENCE_S
