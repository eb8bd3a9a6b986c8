"""Dagster's event log in SQLite, whose answer on the verdicts of a grid takes no square of it."""

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterRunStatus,
    PartitionsDefinition,
    RunsFilter,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionResolvedStatus as Resolved,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from quarry_dagster.log_end import (
    MOST_TOUCHED,
    TABLES,
    End,
    data_version,
    read_end,
    still_ends,
    touched,
)
from quarry_dagster.verdicts import Row, Sorted, is_plain

if TYPE_CHECKING:
    from dagster._core.storage.sqlite_storage import SqliteStorageConfig

Asked = tuple[AssetCheckKey, PartitionsDefinition | None]
_IN_FLIGHT = 5000
"""Events that are read once more: each is in the log a moment before its verdict is recorded."""
_KEPT_S = 900.0
_RUNS_AT_ONCE = 5000
"""SQLite takes 32,766 values in a query."""
_MOST_GRIDS = 16


@dataclass
class _Known:
    """What was read of a check.

    Args:
        rows: by partition; None for executions without one.
        version: of the database, which every write changes.
        base: what else the rows depend on, when it changes they are all read again.
        ends: where the tables ended, for there all changes come after, unless rows are deleted.
        full_at_s: when all rows were read, by the monotonic clock.
        sorted: the rows by status, for the grid with an identifier; None until it is asked for.
    """

    rows: dict[str | None, Row]
    version: int
    base: tuple[object, ...]
    ends: tuple[End, ...]
    full_at_s: float
    sorted: "tuple[str, Sorted] | None" = None


class QuarryEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite, which remembers the verdicts that it has read.

    Dagster joins the partitions of a check one by one, each time with a copy of those before: the
    square of their number. Here they are sorted in one pass, and only what is new is read again.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._reading = threading.Lock()
        self._of_thread = threading.local()
        self._kept: tuple[tuple[int, int], Connection] | None = None
        self._known: dict[AssetCheckKey, _Known] = {}
        self._grids: dict[str, frozenset[str]] = {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: "SqliteStorageConfig"
    ) -> "QuarryEventLog":
        """Made from settings."""
        return cls(inst_data=inst_data, **config_value)

    def get_asset_check_state(
        self, keys: Sequence[Asked]
    ) -> Mapping[AssetCheckKey, AssetCheckState]:
        """How the checks stand: Dagster's answer, which also gives what is unusual."""
        keys = list(keys)
        ours = {key: one for key, one in keys if one is not None and is_plain(one)}
        others = [(key, partitions) for key, partitions in keys if key not in ours]
        if len(ours) + len(others) < len(keys):  # a check twice
            return super().get_asset_check_state(keys)
        states = dict(super().get_asset_check_state(others)) if others else {}
        try:
            found = self._sorted(ours)
        except SQLAlchemyError:
            with self._reading:
                self._forget()
            return super().get_asset_check_state(keys)
        finished = self._finished({run_id for one in found.values() for run_id in one.planned})
        states |= {key: one.state(key, finished) for key, one in found.items()}
        return {key: states[key] for key, _ in keys}

    @contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """The connection of the snapshot within one, and else Dagster's."""
        pinned = getattr(self._of_thread, "connection", None)
        with contextlib.nullcontext(pinned) if pinned else super().index_connection() as connection:
            yield connection

    def dispose(self) -> None:
        """Let go of the database."""
        with self._reading:
            self._forget()
        super().dispose()

    def _sorted(
        self, keys: Mapping[AssetCheckKey, PartitionsDefinition]
    ) -> dict[AssetCheckKey, Sorted]:
        """The partitions of checks by status; one thread reads, others wait for what it read."""
        if not keys:
            return {}
        with self._reading:
            with self._snapshot() as connection:
                self._read(connection, keys)
            return {key: self._sorted_one(key, one) for key, one in keys.items()}

    def _sorted_one(self, key: AssetCheckKey, partitions: PartitionsDefinition) -> Sorted:
        """The partitions of a check by status."""
        known, grid = self._known[key], partitions.get_serializable_unique_identifier()
        if known.sorted is None or known.sorted[0] != grid:
            if grid not in self._grids:
                if len(self._grids) >= _MOST_GRIDS:
                    self._grids.clear()
                self._grids[grid] = frozenset(map(str, partitions.get_partition_keys()))
            known.sorted = grid, Sorted.of(known.rows, self._grids[grid])
        return known.sorted[1]

    def _read(self, connection: Connection, keys: Iterable[AssetCheckKey]) -> None:
        """Bring what is known of checks up to date with one state of the log."""
        version, now_s = data_version(connection), time.monotonic()
        before = {key: self._known.get(key) for key in keys}
        due = [
            key
            for key, known in before.items()
            if known is None or known.version != version or now_s - known.full_at_s > _KEPT_S
        ]
        if not due:
            return
        ends = tuple(read_end(connection, table) for table in TABLES)
        still, base_of = cache(partial(still_ends, connection)), cache(self._base)
        for key in due:
            known, base = before[key], base_of(key.asset_key)
            if (
                known is None
                or known.base != base
                or now_s - known.full_at_s > _KEPT_S
                or not all(map(still, known.ends))
            ):
                infos = self.get_asset_check_partition_info([key])
                rows, full_at_s = {}, now_s
            else:
                infos = self._changed(connection, key, *(end.id - _IN_FLIGHT for end in known.ends))
                rows, full_at_s = known.rows, known.full_at_s
            rows |= {info.partition_key: Row.of(info) for info in infos}
            self._known[key] = _Known(rows, version, base, ends, full_at_s)

    def _changed(
        self, connection: Connection, key: AssetCheckKey, event: int, row: int
    ) -> Sequence[AssetCheckPartitionInfo]:
        """The latest executions of a check that may have changed after an event and a row."""
        partitions = touched(connection, key, event, row)
        if None in partitions or len(partitions) >= MOST_TOUCHED:
            return self.get_asset_check_partition_info([key], after_storage_id=event)
        return self.get_asset_check_partition_info(
            [key], partition_keys=[one for one in partitions if one is not None]
        )

    def _base(self, asset: AssetKey) -> tuple[object, ...]:
        """When an asset was wiped, and its materialisation of no partition if that is the last."""
        (details,) = self._get_assets_details([asset])
        latest = self._get_latest_unpartitioned_materialization_storage_ids([asset])
        return (details.last_wipe_timestamp if details else None), latest.get(asset)

    def _finished(self, run_ids: set[str]) -> dict[str, Resolved]:
        """Those of some runs that have finished, with what became of their checks."""
        became = {
            DagsterRunStatus.FAILURE: Resolved.EXECUTION_FAILED,
            DagsterRunStatus.SUCCESS: Resolved.SKIPPED,
            DagsterRunStatus.CANCELED: Resolved.SKIPPED,
        }
        asked = sorted(run_ids)
        return {
            run_id: resolved
            for at in range(0, len(asked), _RUNS_AT_ONCE)
            for status, resolved in became.items()
            for run_id in self._instance.get_run_ids(
                RunsFilter(run_ids=asked[at : at + _RUNS_AT_ONCE], statuses=[status])
            )
        }

    @contextmanager
    def _snapshot(self) -> Generator[Connection]:
        """One state of the log for all queries of this thread, whoever writes meanwhile."""
        connection = self._connection()
        connection.exec_driver_sql("BEGIN")
        self._of_thread.connection = connection
        try:
            yield connection
        finally:
            self._of_thread.connection = None
            connection.rollback()

    def _connection(self) -> Connection:
        """The kept connection, since only to one does `data_version` tell of the others' writes."""
        found = os.stat(self.path_for_shard("index"))  # noqa: PTH116
        file = found.st_dev, found.st_ino
        if self._kept is None or self._kept[0] != file:
            self._forget()
            with super().index_connection():  # Dagster sees to the tables
                pass
            engine = create_engine(
                create_db_conn_string(self._base_dir, "index"),
                poolclass=NullPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            self._kept = file, engine.connect()
        return self._kept[1]

    def _forget(self) -> None:
        """Drop what is known, and the connection."""
        if self._kept is not None:
            self._kept[1].close()
        self._kept = None
        self._known.clear()
