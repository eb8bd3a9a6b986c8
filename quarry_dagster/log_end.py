"""Where the tables of an event log in SQLite end, and what came after: the changes since a look."""

from typing import NamedTuple

from dagster import AssetCheckKey
from sqlalchemy import text
from sqlalchemy.engine import Connection

TABLES = {"event_logs": "timestamp", "asset_check_executions": "create_timestamp"}
"""The tables that verdicts are told from, with the column that says when a row was made."""
MOST_TOUCHED = 1000
"""Where there are more, looking for all of them is faster."""
_TOUCHED = """
SELECT partition FROM event_logs
 WHERE asset_key = :asset AND dagster_event_type = 'ASSET_MATERIALIZATION' AND id > :event
UNION
SELECT partition FROM asset_check_executions
 WHERE id > :row AND +asset_key = :asset AND +check_name = :check
UNION
SELECT partition FROM asset_check_executions
 WHERE asset_key = :asset AND check_name = :check AND run_id IN (
   SELECT run_id FROM event_logs WHERE id > :event
      AND dagster_event_type IN ('ASSET_CHECK_EVALUATION', 'ASSET_CHECK_EVALUATION_PLANNED'))
LIMIT :most"""
"""A plus keeps SQLite from looking up all rows of a check to find the latest."""


class End(NamedTuple):
    """Where a table ends. A number is given anew once the rows above it are deleted."""

    table: str
    id: int
    run_id: str
    made_at: str
    n_rows: int


def data_version(connection: Connection) -> int:
    """A number that changes with every write of another connection."""
    return connection.execute(text("PRAGMA data_version")).scalar_one()


def read_end(connection: Connection, table: str) -> End:
    """Where a table ends now."""
    last = _row(connection, table, "ORDER BY id DESC LIMIT 1", 0)
    return last or End(table, 0, "", "", 0)


def still_ends(connection: Connection, end: End) -> bool:
    """Whether all rows up to an earlier end are still there, and the same."""
    return end.id == 0 or _row(connection, end.table, "WHERE id = :id", end.id) == end


def touched(
    connection: Connection, key: AssetCheckKey, after_event: int, after_row: int
) -> set[str | None]:
    """Partitions whose verdict may have changed since a look, if nothing from before was deleted.

    An event of a check belongs to the run whose rows it changes; it does not say which. The rows
    of a run outlive its events.
    """
    asset = key.asset_key.to_string()
    found = connection.execute(
        text(_TOUCHED),
        {
            "asset": asset,
            "check": key.name,
            "event": after_event,
            "row": after_row,
            "most": MOST_TOUCHED,
        },
    )
    return {partition for (partition,) in found}


def _row(connection: Connection, table: str, which: str, last: int) -> End | None:
    """A row, with the number of rows up to it: an index counts all, the rest are few."""
    made_at = TABLES[table]
    found = connection.execute(
        text(f"SELECT id, run_id, {made_at} FROM {table} {which}"), {"id": last} if last else {}
    ).first()
    if found is None:
        return None
    counted = f"(SELECT count(*) FROM {table}) - (SELECT count(*) FROM {table} WHERE id > :id)"
    n_rows = connection.execute(text(f"SELECT {counted}"), {"id": found[0]}).scalar_one()
    return End(table, found[0], str(found[1]), str(found[2]), n_rows)
