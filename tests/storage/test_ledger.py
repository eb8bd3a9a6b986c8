"""The ledger of copies is whole across kills and processes, and claims nothing it can't prove."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quarry.errors import (
    IntegrityError,
    QuarryError,
    StorageDeadlineError,
    UsageError,
)
from quarry.storage.ledger import Ledger, LedgerEntry
from quarry.storage.object_store import ObjectInfo

STORE = "b2://bucket"
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from quarry.storage.ledger import Ledger, LedgerEntry
ledger, who = Ledger(Path(sys.argv[1])), sys.argv[2]
number = 0
while sys.argv[3] == "forever" or number < int(sys.argv[3]):
    names = [f"{who}/{number:04d}/{part}" for part in "abc"]
    ledger.record(LedgerEntry("s", name, "v", "0" * 64, 1, datetime.now(UTC)) for name in names)
    print(number, flush=True)
    number += 1
"""


def entry(name: str = "a/b.h5", version: str = "v1", size_bytes: int = 7) -> LedgerEntry:
    return LedgerEntry(STORE, name, version, "ab" * 32, size_bytes, datetime.now(UTC))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "copies.sqlite")


def test_a_ledger_that_does_not_exist_is_empty_and_reading_makes_none(ledger: Ledger) -> None:
    assert ledger.entry(STORE, "a/b.h5") is None
    assert ledger.entries(STORE) == ledger.condemned(STORE) == []
    assert not ledger.path.parent.exists()


def test_entries_come_back_as_they_were_by_store_and_prefix(ledger: Ledger) -> None:
    made = [entry(name) for name in ("a/b.h5", "a/b.h5.manifest.json", "a%/é_.h5", "c.h5")]
    ledger.record(made)
    ledger.record([replace(made[0], store="elsewhere")])
    again = Ledger(ledger.path)
    assert again.entry(STORE, "a/b.h5") == made[0]
    assert again.entry(STORE, "a/b") is None
    assert again.entries(STORE, "a/b.h5") == made[:2]
    assert again.entries(STORE, "a%") == [made[2]]
    assert len(again.entries(STORE)) == 4
    assert [one.store for one in again.entries("elsewhere")] == ["elsewhere"]


def test_a_newer_version_replaces_the_older_and_names_can_go_with_it(ledger: Ledger) -> None:
    ledger.record([entry(), entry("a/old")])
    newer = entry(version="v2")
    ledger.record([newer], replaces=["a/old"])
    assert ledger.entries(STORE) == [newer]
    assert ledger.forget(STORE, "a/b.h5", "never") == 1
    assert ledger.entries(STORE) == []


def test_what_is_condemned_is_not_given_out_as_good(ledger: Ledger) -> None:
    ledger.record([entry()])
    ledger.condemn(entry(), "damaged")
    assert ledger.entry(STORE, "a/b.h5") is None
    assert [one.state for one in ledger.condemned(STORE)] == ["damaged"]
    ledger.record([entry(version="v2")])
    assert ledger.condemned(STORE) == []


def test_condemning_an_older_version_leaves_the_one_recorded_meanwhile(ledger: Ledger) -> None:
    ledger.record([entry(version="v2")])
    ledger.condemn(entry(version="v1"), "missing")
    assert ledger.entry(STORE, "a/b.h5") == ledger.entries(STORE)[0]
    ledger.condemn(entry("never recorded"), "damaged")
    assert [one.name for one in ledger.condemned(STORE)] == ["never recorded"]


def test_an_object_without_a_digest_is_not_recorded() -> None:
    info = ObjectInfo("a", "v", 1, None, None, {}, datetime.now(UTC))
    with pytest.raises(UsageError, match="without a digest"):
        LedgerEntry.of(STORE, info)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scribble(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 400)


def change_a_row(path: Path) -> None:
    data = path.read_bytes()
    assert data.count(b"v1") == 1
    path.write_bytes(data.replace(b"v1", b"v3"))


def break_utf8(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"v1", b"v\xff"))


def drop_the_table(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("DROP TABLE copies")
    database.close()


def other_program(path: Path) -> None:
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (a)")
    database.close()


@pytest.mark.parametrize(
    "damage", [cut, scribble, change_a_row, break_utf8, drop_the_table, other_program]
)
def test_a_damaged_ledger_says_how_it_is_made_anew(
    ledger: Ledger, damage: Callable[[Path], None]
) -> None:
    ledger.record([entry()])
    damage(ledger.path)
    with pytest.raises(IntegrityError, match="ledger of copies is damaged") as raised:
        ledger.entries(STORE)
    assert raised.value.findings[0].check == "remote_copy_matches"
    assert "makes it anew" in (raised.value.fix or "")


def test_flipped_bits_never_make_another_entry(ledger: Ledger) -> None:
    made = entry()
    ledger.record([made])
    good = ledger.path.read_bytes()
    n_refused = 0
    for position in [*range(200), *range(200, len(good), 5)]:
        data = bytearray(good)
        data[position] ^= 1 << position % 8
        ledger.path.write_bytes(data)
        try:
            assert ledger.entries(STORE) in ([], [made])
        except QuarryError:
            n_refused += 1
    assert n_refused > 50


def test_who_waits_in_vain_is_told_that_another_writes(ledger: Ledger) -> None:
    ledger.record([entry()])
    holder = sqlite3.connect(ledger.path, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageDeadlineError, match="in use"):
            Ledger(ledger.path, timeout_s=0.05).record([entry()])
        assert len(ledger.entries(STORE)) == 1
    finally:
        holder.close()


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be used"):
        Ledger(tmp_path / "file" / "copies.sqlite").record([entry()])


def test_several_processes_record_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "copies.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), who, "15"], stdout=subprocess.DEVNULL
        )
        for who in ("one", "two", "three")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(Ledger(path).entries("s")) == 3 * 3 * 15


def test_a_killed_writer_leaves_whole_groups_and_all_that_it_finished(tmp_path: Path) -> None:
    path = tmp_path / "copies.sqlite"
    for n_finished in (1, 4, 9):
        command = [sys.executable, "-c", WRITER, str(path), f"until{n_finished}", "forever"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(n_finished):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        names = [one.name for one in Ledger(path).entries("s", f"until{n_finished}/")]
        assert len(names) % 3 == 0
        assert len(names) >= 3 * n_finished
