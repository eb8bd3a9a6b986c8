"""`Spending`: no call is made that could take a set beyond its cap.

Before a call the most that it can cost is set aside, durably; afterwards it is replaced by the
bill. What was set aside and never settled, because the process was killed or nobody knows whether
a lost reply is billed, stays spent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition
from typing import Any, Literal

from quarry.equivalence.decision_cache import CanaryLog, DecisionCache, KeyedItem
from quarry.equivalence.grader import CanaryResult, Decision
from quarry.equivalence.grading_store import GradingStore
from quarry.equivalence.judge_answer import NANO, Answer, Price
from quarry.trajectory.digests import canonical_digest

Result = Literal["answered", "unusable", "failed", "unknown"]


class CapReachedError(Exception):
    """No more calls may be made; a signal inside the grader, with the reason as its text."""


@dataclass(frozen=True)
class Ticket:
    """The right to make one call.

    Args:
        call_id: of the call in the store.
        reserved_nano_usd: what was set aside for it.
    """

    call_id: int
    reserved_nano_usd: int


@dataclass
class Spent:
    """What was used since the grader was opened; see `GradingUsage`."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0


class Spending:
    """The money of one set, judge and rubric, over all its runs.

    Args:
        store: where it is written down.
        identity: what names the set, the judge and the rubric.
        price: of the judge.
        max_usd: the cap; None for none.
        max_calls: most calls, canaries and repeated ones included; None for any number.
    """

    def __init__(
        self,
        store: GradingStore,
        identity: dict[str, Any],
        *,
        price: Price,
        max_usd: float | None,
        max_calls: int | None = None,
    ) -> None:
        self.scope = canonical_digest(identity)
        self.made = Spent()
        self._store = store
        self._identity = identity
        self._price = price
        self._max_usd = max_usd
        self._max_calls = max_calls
        self._decisions = DecisionCache(store)
        self._canaries = CanaryLog(store, self.scope)
        self._turn = Condition()
        self._n_in_flight = 0

    def total(self) -> tuple[int, int]:
        """Billionths of a dollar that are spent or set aside, and calls, of all runs."""
        with self._store.reading() as database:
            return self._total_in(database)

    def reserve(
        self, most_tokens: tuple[int, int], purpose: str, keyed_item: KeyedItem | None
    ) -> Ticket | Decision:
        """Ask for the right to make a call; waits while calls in flight may still free money.

        Args:
            most_tokens: of the request and of the reply.
            purpose: the item's key, or the canary's name.
            keyed_item: None for a canary, which is always asked.

        Returns:
            The right; or the decision, where another process has found it meanwhile.

        Raises:
            CapReachedError: the call could go beyond a cap.
        """
        nano_usd = self._price.nano_usd(*most_tokens)
        with self._turn:
            while True:
                got = self._try_to_reserve(nano_usd, purpose, keyed_item)
                if not isinstance(got, str):
                    return got
                if self._n_in_flight == 0 or got == self._calls_reason:
                    raise CapReachedError(got)
                self._turn.wait()

    def settle(
        self,
        ticket: Ticket,
        result: Result,
        answer: Answer | None,
        *,
        decided: tuple[KeyedItem, Decision] | None = None,
        canary: CanaryResult | None = None,
        warn: Callable[[str], None],
    ) -> None:
        """Replace what was set aside by the bill, and keep what came of the call with it.

        Args:
            ticket: of the call.
            result: how it ended; `unknown` leaves the whole reservation spent.
            answer: the reply, where there is one.
            decided: the decision, where there is one.
            canary: the result, where the call was a canary.
            warn: told when a bill is higher than was thought possible.
        """
        nano_usd = ticket.reserved_nano_usd if result == "unknown" else 0
        if answer is not None:
            nano_usd = self._price.nano_usd(answer.input_tokens, answer.output_tokens)
        with self._turn, self._store.writing() as database:
            self._write(database, ticket, result, answer, nano_usd)
            if decided is not None:
                self._decisions.add_in(database, ticket.call_id, *decided)
            if canary is not None:
                self._canaries.add_in(database, ticket.call_id, canary)
            self._count(nano_usd, answer)
        if nano_usd > ticket.reserved_nano_usd:
            warn(
                f"a call cost ${nano_usd / NANO:.6f}, more than the "
                f"${ticket.reserved_nano_usd / NANO:.6f} set aside for it"
            )

    def landed(self) -> None:
        """A call is no longer in flight, however it ended; settled before if it can be."""
        with self._turn:
            self._n_in_flight -= 1
            self._turn.notify_all()

    @property
    def _calls_reason(self) -> str:
        return f"limit of {self._max_calls} calls reached"

    def _try_to_reserve(
        self, nano_usd: int, purpose: str, keyed_item: KeyedItem | None
    ) -> Ticket | Decision | str:
        """The right, a decision that is there already, or why not."""
        with self._store.writing() as database:
            if keyed_item is not None:
                found = self._decisions.find_in(database, [keyed_item.key])
                if keyed_item.key in found:
                    return found[keyed_item.key]
            spent, n_calls = self._total_in(database)
            if self._max_calls is not None and n_calls >= self._max_calls:
                return self._calls_reason
            if self._max_usd is not None and spent + nano_usd > self._max_usd * NANO:
                return f"spend limit of ${self._max_usd:g} reached"
            database.execute(
                "INSERT OR IGNORE INTO scopes VALUES (?, ?)", (self.scope, str(self._identity))
            )
            call_id = database.execute(
                "INSERT INTO calls (scope, purpose, reserved_nano_usd, begun_at) "
                "VALUES (?, ?, ?, ?)",
                (self.scope, purpose, nano_usd, _now()),
            ).lastrowid
        assert call_id is not None
        self._n_in_flight += 1
        self.made.calls += 1
        return Ticket(call_id, nano_usd)

    def _total_in(self, database: Any) -> tuple[int, int]:
        """`total` within a transaction."""
        spent, n_calls = database.execute(
            "SELECT COALESCE(SUM(COALESCE(nano_usd, reserved_nano_usd)), 0), COUNT(*) "
            "FROM calls LEFT JOIN settlements ON call_id = id WHERE scope = ?",
            (self.scope,),
        ).fetchone()
        return int(spent), int(n_calls)

    def _write(
        self, database: Any, ticket: Ticket, result: Result, answer: Answer | None, nano_usd: int
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
