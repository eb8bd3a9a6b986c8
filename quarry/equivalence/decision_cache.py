"""Decisions and canaries in a `GradingStore`: rows with digests of their own.

A decision's key is the digest of judge, rubric and item: a verdict of another judge or under
another rubric is never found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from quarry.equivalence.grader import CanaryResult, Decision, GradingItem, Outcome
from quarry.equivalence.grading_store import GradingStore
from quarry.trajectory.digests import canonical_digest

_AT_ONCE: Final = 500
"""Keys a query; SQLite takes 32,766 and older ones 999."""


@dataclass(frozen=True)
class KeyedItem:
    """An item and the key of its decision.

    Args:
        item: to be decided.
        key: hex digest of all that the decision depends on.
    """

    item: GradingItem
    key: str


def keyed(item: GradingItem, judge: Mapping[str, Any], rubric_digest: str) -> KeyedItem:
    """The item with its key.

    Args:
        item: to be decided.
        judge: `Judge.describe`.
        rubric_digest: of the rubric.
    """
    identity = {"judge": dict(judge), "rubric": rubric_digest, "item": _as_list(item)}
    return KeyedItem(item, canonical_digest(identity))


class DecisionCache:
    """Decisions that were paid for.

    Args:
        store: where they are.
    """

    def __init__(self, store: GradingStore) -> None:
        self._store = store

    def find(self, keys: Iterable[str]) -> dict[str, Decision]:
        """Known decisions by key.

        Raises:
            IntegrityError: one of them is damaged.
        """
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Decision] = {}
        with self._store.reading() as database:
            for start in range(0, len(wanted), _AT_ONCE):
                found |= self.find_in(database, wanted[start : start + _AT_ONCE])
        return found

    def find_in(self, database: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Decision]:
        """`find` within a transaction of the caller's; at most a few hundred keys."""
        marks = ", ".join("?" * len(keys))
        rows = database.execute(f"SELECT * FROM decisions WHERE key IN ({marks})", keys).fetchall()
        return {row[0]: self._decision(row) for row in rows}

    def add_in(
        self, database: sqlite3.Connection, call_id: int, keyed_item: KeyedItem, decision: Decision
    ) -> None:
        """Add a decision, unless another process was first."""
        item = json.dumps(_as_list(keyed_item.item), ensure_ascii=False)
        values = [keyed_item.key, call_id, item, decision.outcome, decision.reasoning]
        values += [decision.trimmed, decision.decided_by]
        database.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, canonical_digest(values)),
        )

    def _decision(self, row: tuple[Any, ...]) -> Decision:
        """The decision of a row."""
        key, _call, _item, outcome, reasoning, trimmed, decided_by = _proven(self._store, row)
        if outcome not in ("equivalent", "not_equivalent"):
            self._store.damaged("a verdict", f"{outcome!r} of {key}")
        return Decision(cast("Outcome", outcome), reasoning, trimmed, decided_by)


class CanaryLog:
    """Canaries of one judge and rubric, whatever the set: sets share decisions, too.

    Args:
        store: where they are.
        judge: `Judge.describe`.
        rubric_digest: of the rubric.
    """

    def __init__(self, store: GradingStore, judge: Mapping[str, Any], rubric_digest: str) -> None:
        self._store = store
        self._scope = canonical_digest({"judge": dict(judge), "rubric": rubric_digest})

    def add_in(self, database: sqlite3.Connection, call_id: int, result: CanaryResult) -> None:
        """Add a result."""
        values = [call_id, self._scope, result.name, result.expected, result.got]
        database.execute(
            "INSERT INTO canaries VALUES (?, ?, ?, ?, ?, ?)", (*values, canonical_digest(values))
        )

    def results(self) -> list[CanaryResult]:
        """All results, oldest first.

        Raises:
            IntegrityError: one of them is damaged.
        """
        with self._store.reading() as database:
            rows = database.execute(
                "SELECT * FROM canaries WHERE scope = ? ORDER BY call_id", (self._scope,)
            ).fetchall()
        return [CanaryResult(*_proven(self._store, row)[2:]) for row in rows]


def _proven(store: GradingStore, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row's values without the digest that proves them."""
    *values, digest = row
    if any(isinstance(value, bytes) for value in values) or digest != canonical_digest(values):
        store.damaged(f"a row that fits its digest {digest!r}", repr(values)[:200])
    return tuple(values)


def _as_list(item: GradingItem) -> list[str]:
    """An item as plain JSON."""
    return [item.prompt, item.target, item.completion]
