"""`Asking`: one item, asked until there is a verdict, or an end of patience or of money.

Rate limits and faults pass: the provider's `retry-after` is honoured, else the pauses double, with
jitter. A reply without a verdict is asked for again. When the money is spent or the provider
answers nobody any more, this and all later items are left alone, with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import Final

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_when_event_set,
)

from quarry.equivalence.caps import CallsEndedError, CapReachedError
from quarry.equivalence.decision_cache import KeyedItem
from quarry.equivalence.grader import CanaryResult, Decision, GradingItem, Outcome
from quarry.equivalence.judge import Judge
from quarry.equivalence.judge_answer import Reply, RequestFailedError, RequestRefusedError
from quarry.equivalence.rubric import Canary, Rubric
from quarry.equivalence.spending import Result, Spending, Ticket
from quarry.errors import JudgeRefusedError

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LONGEST_ASKED_PAUSE_S: Final = 300.0
"""A provider may ask for more patience than a fault of the network deserves, but not for hours."""

MOST_FAILURES_IN_A_ROW: Final = 20


@dataclass(frozen=True)
class Question:
    """What is to be asked.

    Args:
        item: the data.
        keyed: with its key; None for a canary.
        canary: what is known of it; None for an item.
    """

    item: GradingItem
    keyed: KeyedItem | None = None
    canary: Canary | None = None


class Asking:
    """Asks a judge, from any number of threads.

    Args:
        judge: the judge.
        rubric: the rubric.
        spending: gives the right to call.
        attempts: most calls for an item.
        say: takes lines about waiting and money.
        pause: sleeps; None for a sleep that `stop` ends.
    """

    def __init__(
        self,
        judge: Judge,
        rubric: Rubric,
        spending: Spending,
        *,
        attempts: int,
        say: Callable[[str], None],
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.stopped = Event()
        self._judge = judge
        self._rubric = rubric
        self._spending = spending
        self._attempts = attempts
        self._say = say
        self._pause = pause or self.stopped.wait
        self._lock = Lock()
        self._halted = ""
        self._n_failures = 0
        self._n_refused = 0
        self._is_canary_refused = False
        self._has_answered = False

    def ask(self, question: Question) -> Decision:
        """The decision on one item; `ungraded` with the reason where there is none.

        Raises:
            JudgeRefusedError: nothing will be answered before a person has acted.
        """
        call_ids: list[int] = []
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts) | stop_when_event_set(self.stopped),
            retry=retry_if_exception(_is_worth_another_try),
            wait=_pause_s,
            sleep=self._sleep,
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            return retrying(self._attempt, question, call_ids)
        except CallsEndedError:
            return ungraded(self._halted or "grading was interrupted")
        except CapReachedError as error:
            return self._halt(str(error), error.detail)
        except RequestFailedError as failure:
            if failure.kind in ("unusable", "item"):
                self._note_canary(question, call_ids)
            return self._gave_up(failure)
        except RequestRefusedError as refusal:
            decision = self._refused(question, refusal)
            self._note_canary(question, call_ids)
            return decision

    @property
    def _is_over(self) -> bool:
        """Whether no more calls are wanted."""
        return self.stopped.is_set() or bool(self._halted)

    def _attempt(self, question: Question, call_ids: list[int]) -> Decision:
        """One call, with its money; notes the call.

        Raises:
            CallsEndedError, CapReachedError, RequestFailedError, JudgeRefusedError: there is no
                decision.
        """
        keyed, canary = question.keyed, question.canary
        purpose = f"canary {canary.name}" if canary else keyed.key if keyed else "item"
        most_tokens = self._judge.most_tokens(question.item, self._rubric)
        ticket = self._spending.reserve(most_tokens, purpose, keyed, is_over=lambda: self._is_over)
        if isinstance(ticket, Decision):
            return ticket
        call_ids.append(ticket.call_id)
        try:
            return self._call(question, ticket)
        finally:
            self._spending.landed(ticket)

    def _call(self, question: Question, ticket: Ticket) -> Decision:
        """The call and its bill."""
        try:
            reply = self._judge.ask(question.item, self._rubric)
        except RequestFailedError as failure:
            self._settle_failure(ticket, failure)
            raise
        except JudgeRefusedError:
            self._spending.settle(ticket, "failed", None, warn=self._say)
            raise
        decision = _decision_of(reply)
        with self._lock:
            self._has_answered, self._n_failures = True, 0
        kept = self._spending.settle(
            ticket,
            "answered",
            reply.answer,
            decided=(question.keyed, decision) if question.keyed else None,
            canary=_canary_result(question.canary, decision.outcome),
            warn=self._say,
        )
        return kept or decision

    def _settle_failure(self, ticket: Ticket, failure: RequestFailedError) -> None:
        """The bill of a call without a verdict."""
        result: Result = "unusable" if failure.kind == "unusable" else "failed"
        with self._lock:
            self._has_answered |= failure.answer is not None
        self._spending.settle(
            ticket,
            "unknown" if failure.is_billed is None else result,
            failure.answer,
            warn=self._say,
        )

    def _note_canary(self, question: Question, call_ids: list[int]) -> None:
        """A canary on which the judge was heard and said nothing, unless an interrupt cut it."""
        result = _canary_result(question.canary, "ungraded")
        if result is not None and call_ids and not self.stopped.is_set():
            self._spending.note_canary(call_ids[-1], result)

    def _refused(self, question: Question, refusal: RequestRefusedError) -> Decision:
        """An item that the provider refuses; the judge, where it has answered nothing yet.

        Raises:
            RequestRefusedError: even a canary is refused, and nothing was answered.
        """
        with self._lock:
            self._n_refused += 1
            self._is_canary_refused |= question.canary is not None
            is_judge = self._is_canary_refused and self._n_refused > 1 and not self._has_answered
        if is_judge:
            raise refusal
        return self._count_failure(refusal.got or "", "the provider refuses this item")

    def _gave_up(self, failure: RequestFailedError) -> Decision:
        """No verdict for one item; when none comes for many in a row, none for all."""
        if failure.kind == "limit":
            return self._halt(failure.what)
        if failure.kind == "item":
            return ungraded(failure.what)
        kind = "no verdict" if failure.kind == "unusable" else "no answer"
        return self._count_failure(failure.what, f"{kind} in {self._attempts} attempts")

    def _count_failure(self, why: str, what: str) -> Decision:
        """One more item without a verdict."""
        with self._lock:
            self._n_failures += 1
            n_failures = self._n_failures
        if n_failures >= MOST_FAILURES_IN_A_ROW:
            return self._halt(
                f"no verdict on {n_failures} items in a row, the last time because {why}"
            )
        return ungraded(f"{what}: {why}")

    def _halt(self, reason: str, detail: str = "") -> Decision:
        """Leave this and all later items alone."""
        with self._lock:
            is_first = not self._halted
            self._halted = self._halted or reason
        if is_first:
            self._say(f"no more calls: {self._halted}" + (f" ({detail})" if detail else ""))
        return ungraded(self._halted)

    def _sleep(self, seconds: float) -> None:
        """Wait before the next attempt."""
        self._pause(seconds)

    def _announce(self, state: RetryCallState) -> None:
        """Say how long the next attempt waits, and why."""
        failure, pause_s = _failure(state), state.upcoming_sleep
        what = f"waiting {pause_s:.1f} s" if pause_s else "asking again"
        self._say(f"{what}: {failure.what if failure else ''}")


def ungraded(reason: str) -> Decision:
    """The decision on an item that nobody decided."""
    return Decision("ungraded", "", None, "", reason)


def _decision_of(reply: Reply) -> Decision:
    """A verdict as a decision."""
    outcome: Outcome = "equivalent" if reply.verdict == "EQUIVALENT" else "not_equivalent"
    return Decision(outcome, reply.reasoning, reply.trimmed, reply.answer.model_version)


def _canary_result(canary: Canary | None, got: Outcome) -> CanaryResult | None:
    """What a canary showed; none of an item."""
    return CanaryResult(canary.name, canary.expected, got) if canary else None


def _is_worth_another_try(error: BaseException) -> bool:
    """Whether an attempt failed in a way that may pass."""
    return isinstance(error, RequestFailedError) and error.is_worth_another_try


def _failure(state: RetryCallState) -> RequestFailedError | None:
    """How the last attempt failed."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, RequestFailedError) else None


def _pause_s(state: RetryCallState) -> float:
    """How long to wait before the next attempt."""
    failure = _failure(state)
    if failure is not None and failure.kind == "unusable":
        return 0.0
    if failure is not None and failure.retry_after_s is not None:
        return min(failure.retry_after_s, LONGEST_ASKED_PAUSE_S)
    longest = min(FIRST_PAUSE_S * 2 ** (state.attempt_number - 1), LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1)
