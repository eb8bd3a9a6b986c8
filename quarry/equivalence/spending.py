"""`Spending`: no call is made that could take a set beyond its cap.

Before a call the most that it can cost is set aside, durably; afterwards it is replaced by the
bill. What was set aside and never settled, because the process was killed or nobody knows whether
a lost reply is billed, stays spent. An item that another grader is asking about is waited for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition
from typing import Final, Literal

from quarry.equivalence.calls_in_flight import CallsInFlight
from quarry.equivalence.caps import CallsEndedError, CapReachedError, Caps
from quarry.equivalence.decision_cache import CanaryLog, DecisionCache, KeyedItem
from quarry.equivalence.grader import CanaryResult, Decision
from quarry.equivalence.grading_store import GradingStore
from quarry.equivalence.judge_answer import NANO, Answer, Price
from quarry.trajectory.digests import canonical_digest

Result = Literal["answered", "unusable", "failed", "unknown"]

_LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True)
class Ticket:
    """The right to make one call.

    Args:
        call_id: of the call in the store.
        reserved_nano_usd: what was set aside for it.
    """

    call_id: int
    reserved_nano_usd: int


@dataclass(frozen=True)
class _AskedElsewhere:
    """Another grader waits for the reply about the same item."""

    call_id: int


@dataclass
class Spent:
    """What was used since the grader was opened; see `GradingUsage`."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0


class Spending:
    """The money of one set, over all its runs, judges and rubrics.

    Args:
        store: where it is written down.
        set_name: of the set.
        price: of the judge.
        canaries: takes their results.
        caps: what it may come to.
    """

    def __init__(
        self,
        store: GradingStore,
        set_name: str,
        *,
        price: Price,
        canaries: CanaryLog,
        caps: Caps,
    ) -> None:
        self.made = Spent()
        self._purse = {"set": set_name}
        self._scope = canonical_digest(self._purse)
        self._store = store
        self._price = price
        self._caps = caps
        self._decisions = DecisionCache(store)
        self._canaries = canaries
        self._in_flight = CallsInFlight(store.path)
        self._turn = Condition()
        self._n_in_flight = 0

    def total(self) -> tuple[int, int]:
        """Billionths of a dollar that are spent or set aside, and calls, of all runs."""
        with self._store.reading() as database:
            return self._total_in(database)

    def reserve(
        self,
        most_tokens: tuple[int, int],
        purpose: str,
        keyed_item: KeyedItem | None,
        *,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Ticket | Decision:
        """Ask for the right to make a call.

        Waits while calls in flight may still free money, and while another grader asks about the
        same item.

        Args:
            most_tokens: of the request and of the reply.
            purpose: the item's key, or the canary's name.
            keyed_item: None for a canary, which is always asked.
            is_over: whether no more calls are wanted; looked at before each attempt.

        Returns:
            The right; or the decision, where another process has found it meanwhile.

        Raises:
            CapReachedError: the call could go beyond a cap.
            CallsEndedError: no more calls are wanted.
        """
        nano_usd = self._price.nano_usd(*most_tokens)
        with self._turn:
            while not is_over():
                try:
                    got = self._try_to_reserve(nano_usd, purpose, keyed_item)
                except CapReachedError as refusal:
                    if refusal.is_final or self._n_in_flight == 0:
                        raise
                    self._turn.wait()
                    continue
                if not isinstance(got, _AskedElsewhere):
                    return got
                while not is_over() and self._in_flight.is_held(got.call_id):
                    self._turn.wait(_LOOK_EVERY_S)
        raise CallsEndedError

    def settle(
        self,
        ticket: Ticket,
        result: Result,
        answer: Answer | None,
        *,
        decided: tuple[KeyedItem, Decision] | None = None,
        canary: CanaryResult | None = None,
        warn: Callable[[str], None],
    ) -> Decision | None:
        """Replace what was set aside by the bill, and keep what came of the call with it.

        Args:
            ticket: of the call.
            result: how it ended; `unknown` leaves the whole reservation spent.
            answer: the reply, where there is one.
            decided: the decision, where there is one.
            canary: the result, where the call was a canary.
            warn: told when a bill is higher than was thought possible.

        Returns:
            The item's decision as it is kept: the first one, where two were found.
        """
        kept = None
        nano_usd = ticket.reserved_nano_usd if result == "unknown" else 0
        if answer is not None:
            nano_usd = self._price.nano_usd(answer.input_tokens, answer.output_tokens)
        with self._turn, self._store.writing() as database:
            self._write(database, ticket, result, answer, nano_usd)
            if decided is not None:
                keyed_item, found = decided
                self._decisions.add_in(database, ticket.call_id, keyed_item, found)
                kept = self._decisions.find_in(database, [keyed_item.key]).get(
                    keyed_item.key, found
                )
            if canary is not None:
                self._canaries.add_in(database, ticket.call_id, canary)
            self._count(nano_usd, answer)
        if nano_usd > ticket.reserved_nano_usd:
            warn(
                f"a call cost ${nano_usd / NANO:.6f}, more than the "
                f"${ticket.reserved_nano_usd / NANO:.6f} set aside for it"
            )
        return kept

    def note_canary(self, call_id: int, result: CanaryResult) -> None:
        """Keep what came of a canary whose last call is settled already."""
        with self._turn, self._store.writing() as database:
            self._canaries.add_in(database, call_id, result)

    def landed(self, ticket: Ticket) -> None:
        """A call is no longer in flight, however it ended; settled before if it can be."""
        self._in_flight.end(ticket.call_id)
        with self._turn:
            self._n_in_flight -= 1
            self._turn.notify_all()

    def _try_to_reserve(
        self, nano_usd: int, purpose: str, keyed_item: KeyedItem | None
    ) -> Ticket | Decision | _AskedElsewhere:
        """The right, a decision that is there already, or who is asking now.

        Raises:
            CapReachedError: there is not enough left.
        """
        call_id = 0
        try:
            with self._store.writing() as database:
                if keyed_item is not None:
                    found = self._found_in(database, keyed_item.key)
                    if found is not None:
                        return found
                self._caps.check(nano_usd, *self._total_in(database))
                call_id = self._begin_in(database, purpose, nano_usd)
                if keyed_item is not None:
                    self._in_flight.begin(call_id)
        except BaseException:
            self._in_flight.end(call_id)
            raise
        self._n_in_flight += 1
        self.made.calls += 1
        return Ticket(call_id, nano_usd)

    def _found_in(
        self, database: sqlite3.Connection, key: str
    ) -> Decision | _AskedElsewhere | None:
        """What others know about an item, or are about to."""
        found = self._decisions.find_in(database, [key])
        if key in found:
            return found[key]
        rows = database.execute(
            "SELECT id FROM calls WHERE purpose = ? AND NOT EXISTS "
            "(SELECT 1 FROM settlements WHERE call_id = id)",
            (key,),
        ).fetchall()
        held = [int(row[0]) for row in rows if self._in_flight.is_held(int(row[0]))]
        return _AskedElsewhere(held[0]) if held else None

    def _begin_in(self, database: sqlite3.Connection, purpose: str, nano_usd: int) -> int:
        """Write down a call before it is made."""
        database.execute(
            "INSERT OR IGNORE INTO scopes VALUES (?, ?)", (self._scope, json.dumps(self._purse))
        )
        call_id = database.execute(
            "INSERT INTO calls (scope, purpose, reserved_nano_usd, begun_at) VALUES (?, ?, ?, ?)",
            (self._scope, purpose, nano_usd, _now()),
        ).lastrowid
        assert call_id is not None
        return call_id

    def _total_in(self, database: sqlite3.Connection) -> tuple[int, int]:
        """`total` within a transaction."""
        spent, n_calls = database.execute(
            "SELECT COALESCE(SUM(COALESCE(nano_usd, reserved_nano_usd)), 0), COUNT(*) "
            "FROM calls LEFT JOIN settlements ON call_id = id WHERE scope = ?",
            (self._scope,),
        ).fetchone()
        return int(spent), int(n_calls)

    def _write(
        self,
        database: sqlite3.Connection,
        ticket: Ticket,
        result: Result,
        answer: Answer | None,
        nano_usd: int,
    ) -> None:
        """The row of a settlement."""
        told = answer or Answer("", "", "", 0, 0)
        database.execute(
            "INSERT INTO settlements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ticket.call_id,
                result,
                nano_usd,
                told.input_tokens,
                told.output_tokens,
                None if answer is None else answer.raw,
                told.request_id,
                told.model_version,
                _now(),
            ),
        )

    def _count(self, nano_usd: int, answer: Answer | None) -> None:
        """Add to what this grader used."""
        self.made.nano_usd += nano_usd
        if answer is not None:
            self.made.input_tokens += answer.input_tokens
            self.made.output_tokens += answer.output_tokens


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
