"""The record of calls and decisions: only added to, proven, and never silently empty."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quarry.equivalence.caps import CallsEndedError, CapReachedError, Caps
from quarry.equivalence.decision_cache import CanaryLog, DecisionCache, keyed
from quarry.equivalence.grader import CanaryResult, Decision
from quarry.equivalence.grading_store import GradingStore
from quarry.equivalence.judge_answer import Answer
from quarry.equivalence.spending import Spending, Ticket
from quarry.errors import DiskError, IntegrityError, StorageFullError
from tests.equivalence.grader_server import PRICE
from tests.equivalence.judge_cases import items

JUDGE = {"kind": "anthropic", "model": "judge-1"}
[ITEM] = items(1)
KEYED = keyed(ITEM, JUDGE, "rubric-1")
DECISION = Decision("equivalent", "São", " Grace", "judge-1-20260101")
ANSWER = Answer("raw", "req_1", "judge-1-20260101", 600, 40)
USD_OF_ANSWER = 0.0008


def spending_of(path: Path, max_usd: float | None = 1.0, set_name: str = "a") -> Spending:
    store = GradingStore(path)
    canaries = CanaryLog(store, JUDGE, "rubric-1")
    return Spending(store, set_name, price=PRICE, canaries=canaries, caps=Caps(max_usd))


def record(path: Path) -> GradingStore:
    """A store with one decision and one canary."""
    spending = spending_of(path)
    ticket = spending.reserve((2000, 500), "item", KEYED)
    assert isinstance(ticket, Ticket)
    spending.settle(
        ticket,
        "answered",
        ANSWER,
        decided=(KEYED, DECISION),
        canary=CanaryResult("one", "equivalent", "equivalent"),
        warn=print,
    )
    spending.landed(ticket)
    return GradingStore(path)


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f"DROP TRIGGER {name}")
        database.execute(statement)
        database.commit()


def fill(store: GradingStore) -> None:
    with store.writing() as database:
        database.execute("PRAGMA max_page_count = 1")
        for row in range(100):
            database.execute("INSERT INTO scopes VALUES (?, ?)", (str(row), "x" * 1000))


def test_a_decision_is_found_by_its_key_only(tmp_path: Path) -> None:
    store = record(tmp_path / "grading.sqlite")
    others = [keyed(ITEM, {**JUDGE, "model": "judge-2"}, "rubric-1"), keyed(ITEM, JUDGE, "other")]
    found = DecisionCache(store).find([KEYED.key, *(one.key for one in others)])
    assert found == {KEYED.key: DECISION}


def test_many_keys_are_found_at_once(tmp_path: Path) -> None:
    store = record(tmp_path / "grading.sqlite")
    keys = [KEYED.key, *(f"{row:064x}" for row in range(2000))]
    assert list(DecisionCache(store).find(keys)) == [KEYED.key]


@pytest.mark.parametrize("table", ["scopes", "calls", "settlements", "decisions", "canaries"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid + 1"])
def test_rows_can_only_be_added(tmp_path: Path, table: str, statement: str) -> None:
    store = record(tmp_path / "grading.sqlite")
    with (
        closing(sqlite3.connect(store.path)) as database,
        pytest.raises(sqlite3.IntegrityError, match="only added"),
    ):
        database.execute(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET outcome = 'not_equivalent'",
        "UPDATE decisions SET reasoning = 'Sao'",
        "UPDATE decisions SET trimmed = NULL",
        "UPDATE decisions SET digest = ''",
        "UPDATE decisions SET reasoning = X'ff'",
    ],
)
def test_a_changed_decision_is_an_error_and_not_a_verdict(tmp_path: Path, statement: str) -> None:
    store = record(tmp_path / "grading.sqlite")
    tamper(store.path, statement)
    with pytest.raises(IntegrityError, match="move it away"):
        DecisionCache(store).find([KEYED.key])


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "another", "page"])
def test_a_damaged_file_says_what_to_do_and_is_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = record(tmp_path / "grading.sqlite").path
    whole = path.read_bytes()
    if damage == "another":
        path.unlink()
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE notes (text)")
    else:
        page = whole[:4096] + b"\x55" * 4096 + whole[8192:]
        texts = {"empty": b"", "text": b"hello " * 2000, "cut": whole[: len(whole) // 2]}
        path.write_bytes(texts.get(damage, page))
    damaged = path.read_bytes()
    with pytest.raises(IntegrityError, match="put a copy of the file from before in its place"):
        GradingStore(path).check()
    assert path.read_bytes() == damaged


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "grading.sqlite").mkdir()
    with pytest.raises(DiskError, match=r"grading\.sqlite"):
        GradingStore(tmp_path / "grading.sqlite").check()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    store = record(tmp_path / "grading.sqlite")
    with pytest.raises(StorageFullError, match="make room"):
        fill(store)


def test_what_was_killed_in_flight_stays_spent(tmp_path: Path) -> None:
    path = tmp_path / "grading.sqlite"
    assert isinstance(spending_of(path).reserve((2000, 500), "item", None), Ticket)
    again = spending_of(path)
    assert again.total() == (PRICE.nano_usd(2000, 500), 1)
    assert spending_of(path, set_name="b").total() == (0, 0)


def test_a_bill_replaces_what_was_set_aside(tmp_path: Path) -> None:
    path = record(tmp_path / "grading.sqlite").path
    assert spending_of(path).total() == (round(USD_OF_ANSWER * 1e9), 1)


def test_a_lost_reply_costs_all_that_was_set_aside(tmp_path: Path) -> None:
    spending = spending_of(tmp_path / "grading.sqlite")
    for result, expected in (("failed", 0), ("unknown", PRICE.nano_usd(2000, 500))):
        ticket = spending.reserve((2000, 500), "item", None)
        assert isinstance(ticket, Ticket)
        spending.settle(ticket, result, None, warn=print)  # pyright: ignore[reportArgumentType]
        spending.landed(ticket)
        assert spending.total()[0] == expected


def test_the_cap_is_kept_to_the_billionth(tmp_path: Path) -> None:
    most = PRICE.nano_usd(2000, 500)
    path = tmp_path / "grading.sqlite"
    with pytest.raises(CapReachedError, match=r"spend limit of \$0\.0045 is less than .*max_usd"):
        spending_of(path, max_usd=(most - 1) / 1e9).reserve((2000, 500), "item", None)
    assert isinstance(
        spending_of(path, max_usd=most / 1e9).reserve((2000, 500), "item", None), Ticket
    )


def test_a_bill_beyond_what_was_thought_possible_is_told_and_counted(tmp_path: Path) -> None:
    spending = spending_of(tmp_path / "grading.sqlite")
    ticket = spending.reserve((1, 1), "item", None)
    assert isinstance(ticket, Ticket)
    lines: list[str] = []
    spending.settle(ticket, "answered", ANSWER, warn=lines.append)
    assert spending.total()[0] == round(USD_OF_ANSWER * 1e9)
    assert "more than" in lines[0]


def test_the_first_of_two_verdicts_is_kept_and_handed_out(tmp_path: Path) -> None:
    path = record(tmp_path / "grading.sqlite").path
    spending = spending_of(path)
    ticket = spending.reserve((2000, 500), "late", None)
    assert isinstance(ticket, Ticket)
    late = (KEYED, Decision("not_equivalent", "no", None, "judge-1"))
    assert spending.settle(ticket, "answered", ANSWER, decided=late, warn=print) == DECISION


def test_an_item_in_flight_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "grading.sqlite"
    first, second = spending_of(path), spending_of(path, set_name="b")
    ticket = first.reserve((2000, 500), KEYED.key, KEYED)
    assert isinstance(ticket, Ticket)
    looks = itertools.count()
    with pytest.raises(CallsEndedError):
        second.reserve((2000, 500), KEYED.key, KEYED, is_over=lambda: next(looks) > 3)
    first.settle(ticket, "answered", ANSWER, decided=(KEYED, DECISION), warn=print)
    first.landed(ticket)
    assert second.reserve((2000, 500), KEYED.key, KEYED) == DECISION
    assert list(tmp_path.glob(".grading.sqlite.calls/*")) == []


def test_what_another_process_decided_meanwhile_is_not_asked_again(tmp_path: Path) -> None:
    path = record(tmp_path / "grading.sqlite").path
    assert spending_of(path).reserve((2000, 500), "item", KEYED) == DECISION
