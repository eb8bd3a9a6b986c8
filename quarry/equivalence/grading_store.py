"""`GradingStore`: the database of what was asked, answered and paid for; rows are only ever added.

One SQLite file that threads and processes share. A call is written down before it is made and its
bill together with its decision before that is handed out, so that a kill at any moment loses no
verdict that was paid for and hides no money that may have been spent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NoReturn

from filelock import FileLock

from quarry.errors import DiskError, IntegrityError, StorageFullError
from quarry.findings import Finding

FORMAT_VERSION: Final = 1
_APPLICATION_ID: Final = 0x71726A75
_TABLES: Final = {
    "scopes": "scope TEXT PRIMARY KEY, description TEXT NOT NULL",
    "calls": "id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, purpose TEXT NOT NULL, "
    "reserved_nano_usd INTEGER NOT NULL, begun_at TEXT NOT NULL",
    "settlements": "call_id INTEGER PRIMARY KEY REFERENCES calls (id), result TEXT NOT NULL, "
    "nano_usd INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, "
    "raw TEXT, request_id TEXT, model_version TEXT, settled_at TEXT NOT NULL",
    "decisions": "key TEXT PRIMARY KEY, call_id INTEGER NOT NULL REFERENCES calls (id), "
    "item TEXT NOT NULL, outcome TEXT NOT NULL, reasoning TEXT NOT NULL, trimmed TEXT, "
    "decided_by TEXT NOT NULL, digest TEXT NOT NULL",
    "canaries": "call_id INTEGER PRIMARY KEY REFERENCES calls (id), scope TEXT NOT NULL, "
    "name TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL, digest TEXT NOT NULL",
}
_DAMAGED: Final = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_FORMAT,
)


class GradingStore:
    """The database.

    Every use opens it anew, so that threads, processes and forks may share one.

    Args:
        path: the file; made with the first use.
        timeout_s: most seconds to wait for another process that writes.
    """

    def __init__(self, path: Path, *, timeout_s: float = 60.0) -> None:
        self.path = path
        self._timeout_s = timeout_s

    def check(self) -> None:
        """Read the whole file and compare it with itself.

        Raises:
            IntegrityError: it is damaged, or something else.
            DiskError: it can't be used.
        """
        with self.reading() as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            self.damaged("a whole database", "; ".join(str(line[0]) for line in found[:3]))

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A consistent view."""
        with self._open("BEGIN") as database:
            yield database

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction, durable when the block has ended without an error."""
        with self._open("BEGIN IMMEDIATE") as database:
            yield database
            database.execute("COMMIT")

    def damaged(self, expected: str, got: str) -> NoReturn:
        """Say that the file proves nothing any more.

        Raises:
            IntegrityError: always.
        """
        found = Finding(
            check="grading_store_intact",
            kind="grading_store_damaged",
            what="The record of graded items is damaged",
            where=str(self.path),
            expected=expected,
            got=got,
            cure="put a copy of the file from before in its place; without one, move it away and "
            "grade anew, which is paid for again (`sqlite3 FILE .recover` may save most rows)",
        )
        raise IntegrityError(found.what, where=str(self.path), findings=[found])

    @contextmanager
    def _open(self, begin: str) -> Generator[sqlite3.Connection]:
        """A transaction that is rolled back unless it was committed."""
        try:
            if not self.path.exists():
                self._make()
            with closing(self._connect(self.path)) as database:
                database.execute(begin)
                marks = tuple(
                    int(database.execute(f"PRAGMA {name}").fetchone()[0])
                    for name in ("application_id", "user_version")
                )
                if marks != (_APPLICATION_ID, FORMAT_VERSION):
                    self.damaged(f"a record of format {FORMAT_VERSION}", f"marks {marks}")
                yield database
        except UnicodeDecodeError as error:  # from SQLite's messages, which quote damaged names
            self.damaged("a whole database", str(error))
        except (sqlite3.Error, OSError) as error:
            self._raise_named(error)

    def _connect(self, path: Path) -> sqlite3.Connection:
        """A connection whose commits are on the disk, the folder's entries included."""
        database = sqlite3.connect(path, timeout=self._timeout_s, isolation_level=None)
        database.execute("PRAGMA synchronous = EXTRA")
        return database

    def _make(self) -> None:
        """Make the file whole under another name first: an empty one is never an empty record."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.new")
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            if self.path.exists():
                return
            for left in (new, new.with_name(f"{new.name}-journal")):
                left.unlink(missing_ok=True)
            with closing(self._connect(new)) as database:
                database.execute("BEGIN")
                for table, columns in _TABLES.items():
                    database.execute(f"CREATE TABLE {table} ({columns})")
                    for change in ("UPDATE", "DELETE"):
                        database.execute(
                            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} "
                            f"ON {table} BEGIN SELECT RAISE(ABORT, 'rows are only added'); END"
                        )
                for column in ("scope", "purpose"):
                    database.execute(f"CREATE INDEX calls_of_{column} ON calls ({column})")
                database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                database.execute("COMMIT")
            new.replace(self.path)

    def _raise_named(self, error: sqlite3.Error | OSError) -> NoReturn:
        """Say what an error of the database means, and what to do."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if isinstance(error, sqlite3.Error) and code in _DAMAGED:
            self.damaged("a whole database", str(error))
        if code == sqlite3.SQLITE_FULL:
            raise StorageFullError(
                "Decisions can't be written: the disk is full",
                where=str(self.path),
                expected="room for some kilobytes",
                got=str(error),
                fix="make room and run it again; what is in the record is not paid for twice",
            ) from error
        raise DiskError(
            "The record of graded items can't be used",
            where=str(self.path),
            expected="a file in a writable folder, in turn with other processes",
            got=str(error),
            fix="correct the path or its permissions; if it is locked, find who holds it",
        ) from error
