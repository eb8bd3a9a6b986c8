"""`Ledger`: which copies of published files are recorded, by store and name.

An entry says: this version was in the store, and was proven to be these bytes, when it was
recorded. What is not recorded may be there all the same; `reconciliation` compares the two. An
entry that turned out to be wrong is condemned, not dropped: nobody is told that the copy is good,
and what is known of it stays. SQLite keeps it whole across kills and between processes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from quarry.errors import (
    IntegrityError,
    StorageDeadlineError,
    StorageError,
    StorageFullError,
    UsageError,
)
from quarry.findings import Finding
from quarry.storage.ledger_entry import LedgerEntry, State
from quarry.trajectory.digests import canonical_digest

NAME = "copies.sqlite"
FORMAT_VERSION = 1
TIMEOUT_S = 30.0
_APPLICATION_ID = 0x71726C67
_SCHEMA = """CREATE TABLE copies (
    store TEXT, name TEXT, version TEXT, blake3 TEXT, size_bytes INTEGER, recorded_at TEXT,
    state TEXT, digest TEXT, PRIMARY KEY (store, name)) WITHOUT ROWID"""
_INSERT = "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (store, name) DO UPDATE"
_REPLACE = """ SET version = excluded.version, blake3 = excluded.blake3,
    size_bytes = excluded.size_bytes, recorded_at = excluded.recorded_at,
    state = excluded.state, digest = excluded.digest"""


class Ledger:
    """All recorded copies, in one small database.

    Every call opens it anew, so that processes, threads and forks may share one.

    Args:
        path: the database; made with the first entry.
        timeout_s: most seconds to wait for another process that writes.
    """

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self.path = path
        self._timeout_s = timeout_s

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    def record(self, entries: Iterable[LedgerEntry], *, replaces: Collection[str] = ()) -> None:
        """Record copies that were proven just now: all of them, or none if this is interrupted.

        Args:
            entries: of one store; a recorded version of the same name is replaced.
            replaces: names of that store that are forgotten at the same time.
        """
        given = list(entries)
        gone = [(store, name) for store in {one.store for one in given} for name in replaces]
        with self._writing() as database:
            database.executemany("DELETE FROM copies WHERE store = ? AND name = ?", gone)
            database.executemany(_INSERT + _REPLACE, map(_row, given))

    def condemn(self, entry: LedgerEntry, state: State, *, since: datetime | None = None) -> None:
        """Note that a version is no good copy; another version recorded meanwhile stays as it is.

        Args:
            entry: the version, recorded or not.
            state: why.
            since: when the look at it began, where it was the current one then; what is recorded
                of another version since before that is replaced.
        """
        made = replace(entry, state=state, recorded_at=datetime.now(UTC))
        before = "" if since is None else since.isoformat()
        with self._writing() as database:
            condition = " WHERE copies.version = excluded.version OR copies.recorded_at < ?"
            database.execute(_INSERT + _REPLACE + condition, (*_row(made), before))

    def forget(self, store: object, *names: str) -> int:
        """Drop what is known of objects; returns how many entries there were."""
        with self._writing() as database:
            return sum(
                database.execute(
                    "DELETE FROM copies WHERE store = ? AND name = ?", (str(store), name)
                ).rowcount
                for name in names
            )

    def entry(self, store: object, name: str) -> LedgerEntry | None:
        """The good copy that is recorded of a name; none if there is none, or it is condemned."""
        return next((one for one in self.entries(store, name) if one.name == name), None)

    def entries(self, store: object, prefix: str = "") -> list[LedgerEntry]:
        """Good copies under a prefix, by name."""
        return [one for one in self._all(str(store), prefix) if one.state == "kept"]

    def condemned(self, store: object, prefix: str = "") -> list[LedgerEntry]:
        """Copies under a prefix that were recorded or found once and are not good, by name."""
        return [one for one in self._all(str(store), prefix) if one.state != "kept"]

    def require_same_place(self, store: object, prefix: str, *, is_empty: bool) -> None:
        """Refuse to believe that everything is gone: more likely a disk is not mounted.

        Args:
            store: the store.
            prefix: what was listed.
            is_empty: whether the listing had nothing at all.

        Raises:
            StorageError: it had nothing, and good copies are recorded.
        """
        n_kept = len(self.entries(store, prefix)) if is_empty else 0
        if n_kept:
            raise StorageError(
                "The store lists nothing, although copies were recorded there",
                where=f"{store}/{prefix}",
                expected=f"{n_kept:,} objects",
                got="none",
                fix="mount the disk, or correct QUARRY_STORE; if the store was emptied on "
                f"purpose, move {self.path} away",
            )

    def _all(self, store: str, prefix: str) -> list[LedgerEntry]:
        """All entries under a prefix, each proven by its own digest."""
        query = """SELECT * FROM copies WHERE store = ? AND substr(name, 1, ?) = ? ORDER BY name"""
        with self._open("BEGIN") as database:
            if database is None:
                return []
            rows = database.execute(query, (store, len(prefix), prefix)).fetchall()
        return [self._entry(row) for row in rows]

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """A transaction that is committed at the end."""
        with self._open("BEGIN IMMEDIATE") as database:
            assert database is not None
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _open(self, begin: str) -> Generator[sqlite3.Connection | None]:
        """A transaction; to read, none if there is no ledger yet."""
        is_writing = begin != "BEGIN"
        try:
            if is_writing:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            elif not self.path.exists():
                yield None
                return
            with closing(
                sqlite3.connect(self.path, timeout=self._timeout_s, isolation_level=None)
            ) as database:
                # EXTRA syncs the folder, too: a journal that came back would undo a condemnation.
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute(begin)
                yield database if self._prepare(database, is_writing=is_writing) else None
        except UnicodeDecodeError as error:  # from SQLite's messages, which quote damaged names
            raise self._damaged("a whole database", str(error)) from error
        except (sqlite3.Error, OSError) as error:
            self._raise_named(error)

    def _prepare(self, database: sqlite3.Connection, *, is_writing: bool) -> bool:
        """Make the table where there is none, to write; whether there is one.

        Raises:
            IntegrityError: this is no ledger, or one of another format.
        """
        marks = [_pragma(database, name) for name in ("application_id", "user_version")]
        if marks == [_APPLICATION_ID, FORMAT_VERSION]:
            return True
        is_new = marks == [0, 0] and not database.execute("SELECT 1 FROM sqlite_master").fetchone()
        if not is_new:
            raise self._damaged("a ledger of format 1", f"a database marked {marks}")
        if is_writing:
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        return is_writing

    def _entry(self, row: tuple[Any, ...]) -> LedgerEntry:
        """The entry of a row.

        Raises:
            IntegrityError: it is damaged.
        """
        *values, digest = row
        try:
            expected = canonical_digest(values)
        except (TypeError, ValueError) as error:
            raise self._damaged("texts and one number", f"{error} in {row!r}") from error
        if digest != expected:
            raise self._damaged(f"digest {expected} of {values[1]!r}", f"digest {digest!r}")
        store, name, version, blake3, size_bytes, recorded_at, state = values
        when = datetime.fromisoformat(recorded_at)
        return LedgerEntry(store, name, version, blake3, size_bytes, when, state)

    def _raise_named(self, error: sqlite3.Error | OSError) -> NoReturn:
        """Say what an error of the database means, and what to do."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageDeadlineError(
                "The ledger of copies is in use",
                where=str(self.path),
                expected=f"its turn within {self._timeout_s:g} s",
                got=str(error),
                fix="run it again; if it stays so, find the process that holds the file",
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise StorageFullError(
                "The ledger of copies can't be written: the disk is full",
                where=str(self.path),
                expected="room for a few kilobytes",
                got=str(error),
                fix="make room and run it again; what was sent is not sent twice",
            ) from error
        if isinstance(error, sqlite3.Error) and code in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_ERROR,
            sqlite3.SQLITE_FORMAT,
        ):
            raise self._damaged("a whole database", str(error)) from error
        raise UsageError(
            "The ledger of copies can't be used",
            where=str(self.path),
            expected="a folder and a file that this user may write to",
            got=str(error),
            fix="correct the permissions or the path",
        ) from error

    def _damaged(self, expected: str, got: str) -> IntegrityError:
        """The error for a ledger that proves nothing any more."""
        found = Finding(
            check="remote_copy_matches",
            kind="ledger_damaged",
            what="The ledger of copies is damaged",
            where=str(self.path),
            expected=expected,
            got=got,
            cure="move it away: reconciling with the store makes it anew, without a download",
        )
        return IntegrityError(
            "The ledger of copies is damaged", where=str(self.path), findings=[found]
        )


def _pragma(database: sqlite3.Connection, name: str) -> int:
    """A number in the database's header."""
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _row(entry: LedgerEntry) -> tuple[Any, ...]:
    """An entry as a row, with a digest over the other values."""
    values = [*(asdict(entry) | {"recorded_at": entry.recorded_at.isoformat()}).values()]
    return (*values, canonical_digest(values))
