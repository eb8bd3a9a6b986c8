"""Dagster's own SQLite storages, filled in one transaction: in minutes what takes a grid weeks.

Every row is written by Dagster's own statements. What is left out is the log of each single run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import ASSET_CHECK_EVENTS, DagsterEvent
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from sqlalchemy.engine import Connection


class _Events(SqliteEventLogStorage):
    """The event log behind one connection."""

    shared: Connection

    @contextlib.contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """The connection of the transaction."""
        yield self.shared

    def has_table(self, table_name: str) -> bool:
        """Asked for at each event; the database was made before."""
        return True


class _Runs(SqliteRunStorage):
    """The runs behind one connection."""

    shared: Connection | None = None

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """The connection of the transaction; one of its own while the database is made."""
        if self.shared is not None:
            yield self.shared
            return
        with super().connect() as connection:
            yield connection


class BulkWriter:
    """Writes events and runs of an instance.

    Args:
        events: the event log.
        runs: the runs.
    """

    def __init__(self, events: _Events, runs: _Runs) -> None:
        self._events, self._runs = events, runs
        self.at = 0.0

    def add_run(self, run_id: str, job: str, *, has_failed: bool, tags: dict[str, str]) -> None:
        """A run that has ended."""
        ended = dg.DagsterRunStatus.FAILURE if has_failed else dg.DagsterRunStatus.SUCCESS
        self._runs.add_run(dg.DagsterRun(job, run_id, status=ended, tags=tags))

    def store(self, run_id: str, event: DagsterEvent) -> int:
        """An event of an asset or a check; returns its place in the log."""
        entry = EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=run_id,
            timestamp=self.at,
            step_key=event.step_key,
            job_name=event.job_name,
            dagster_event=event,
        )
        store: Any = self._events
        written = store.shared.execute(store.prepare_insert_event(entry))
        event_id = int(written.inserted_primary_key[0])
        if entry.dagster_event_type in ASSET_CHECK_EVENTS:
            store.store_asset_check_event(entry, event_id)
        else:
            store._store_asset_event_tags(store.shared, [entry], [event_id])
            store._store_asset_event(store.shared, entry, event_id)
        return event_id


@contextlib.contextmanager
def bulk_writer(home: Path) -> Generator[BulkWriter]:
    """A writer for the instance of a folder; all or nothing is kept.

    Args:
        home: the folder of the instance, with its databases made.
    """
    history = home / "history"
    with (
        _engine(home, history / "runs" / "index.db") as index,
        _engine(home, history / "runs.db") as run_rows,
    ):
        events = _Events(str(history / "runs"))
        events.shared = index
        runs = _Runs.from_local(str(history))
        runs.shared = run_rows
        yield BulkWriter(events, runs)


@contextlib.contextmanager
def _engine(home: Path, path: Path) -> Generator[Connection]:
    """A connection in a transaction."""
    import sqlalchemy as db

    assert path.exists(), f"{home} has no {path}"
    with db.create_engine(f"sqlite:///{path}").begin() as connection:
        yield connection
