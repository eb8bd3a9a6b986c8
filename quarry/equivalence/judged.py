"""`JudgedGrader`: rules where the case is clear, else what was paid for before, else a judge.

Canaries go among the items of every batch of calls. What is decided is durable before it is handed
out, so that a kill loses nothing and a second run asks only what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from quarry.equivalence.asking import Asking, Question
from quarry.equivalence.canary_rounds import with_canaries
from quarry.equivalence.caps import Caps
from quarry.equivalence.decision_cache import CanaryLog, DecisionCache, keyed
from quarry.equivalence.grader import (
    CanaryResult,
    Decision,
    EquivalenceGrader,
    GradingItem,
    GradingUsage,
)
from quarry.equivalence.grading_store import GradingStore
from quarry.equivalence.judge import Judge
from quarry.equivalence.judge_answer import NANO
from quarry.equivalence.rubric import Rubric
from quarry.equivalence.spending import Spending
from quarry.errors import UsageError
from quarry.progress import ProgressLog

VERSION: Final = 1
_LOOK_EVERY_S: Final = 0.5
_REPLY_TOKENS: Final = 110
"""Tokens of a usual reply, for the estimate."""

_BYTES_A_TOKEN: Final = 3.5


class Rules(Protocol):
    """What settles clear cases for nothing."""

    def describe(self) -> dict[str, Any]:
        """All that its decisions depend on."""
        ...

    def settle(self, item: GradingItem) -> Decision | None:
        """The decision, or None where the case is not clear."""
        ...


class JudgedGrader(EquivalenceGrader):
    """A language model as a judge, under one rubric.

    Args:
        judge: is closed with the grader.
        rubric: what counts as equivalent.
        set_name: what the money is counted under, such as `mayors-1epoch/checkpoint_final`.
        path: database of decisions and bills; many sets share one.
        rules: settle what is clear; None to ask the judge about everything.
        max_usd: cap on what this set may cost, all runs, judges and rubrics together; None for
            none, for judges that cost nothing.
        max_calls: cap on calls, canaries and repeated ones included; None for none.
        concurrency: requests in flight at once.
        attempts: most calls for one item.
        canary_every: items a batch.
        canaries_a_batch: canaries asked with each batch, taking turns.
        pause: sleeps between attempts; None for a sleep that an interrupt ends.

    Raises:
        UsageError: a limit is negative or a number is too small.
        IntegrityError: the database is damaged.
    """

    def __init__(
        self,
        judge: Judge,
        rubric: Rubric,
        *,
        set_name: str,
        path: Path,
        rules: Rules | None,
        max_usd: float | None,
        max_calls: int | None = None,
        concurrency: int = 8,
        attempts: int = 6,
        canary_every: int = 50,
        canaries_a_batch: int = 2,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        _check_numbers(max_usd, max_calls, concurrency, attempts, canary_every, canaries_a_batch)
        self._judge = judge
        self._rubric = rubric
        self._rules = rules
        self._attempts = attempts
        self._canary_every = canary_every
        self._canaries_a_batch = canaries_a_batch
        self._pause = pause
        self._n_threads = min(concurrency, judge.most_concurrent or concurrency)
        store = GradingStore(path)
        store.check()
        self._canary_log = CanaryLog(store, judge.describe(), rubric.meaning_digest)
        self._spending = Spending(
            store,
            set_name,
            price=judge.price,
            canaries=self._canary_log,
            caps=Caps(max_usd, max_calls),
        )
        self._cache = DecisionCache(store)
        self._n_by_rules = self._n_from_cache = 0

    def describe(self) -> dict[str, Any]:
        """Judge, rubric and rules; no key, no address, no limits."""
        return {
            "grader": "judged",
            "version": VERSION,
            "judge": self._judge.describe(),
            "rubric": self._rubric.name,
            "rubric_version": self._rubric.version,
            "rubric_digest": self._rubric.digest,
            "rules": self._rules.describe() if self._rules else None,
        }

    def grade(
        self, items: Sequence[GradingItem], *, log: Callable[[str], None]
    ) -> Iterator[tuple[int, Decision]]:
        """Decide on items; see `EquivalenceGrader.grade`. Lines come from the caller's thread."""
        progress = ProgressLog(lambda line: log(f"{line}; {self._so_far()}"), len(items), "items")
        n_done = 0
        with closing(self._decide(items, log)) as decided:
            for position, decision in decided:
                n_done += 1
                progress.update(n_done)
                yield position, decision

    @property
    def canaries(self) -> Sequence[CanaryResult]:
        """The latest result of each of the rubric's canaries under this judge, oldest first.

        Those of other sets, too: their decisions are this set's where it has the same items.
        """
        asked_for = {(one.name, one.expected) for one in self._rubric.canaries}
        latest: dict[str, CanaryResult] = {}
        for result in self._canary_log.results():
            if (result.name, result.expected) in asked_for:
                latest.pop(result.name, None)
                latest[result.name] = result
        return list(latest.values())

    @property
    def usage(self) -> GradingUsage:
        """What this grader did and used since it was opened."""
        made = self._spending.made
        return GradingUsage(
            by_rules=self._n_by_rules,
            from_cache=self._n_from_cache,
            calls=made.calls,
            input_tokens=made.input_tokens,
            output_tokens=made.output_tokens,
            usd=made.nano_usd / NANO,
        )

    def close(self) -> None:
        """Close the judge."""
        self._judge.close()

    def _decide(
        self, items: Sequence[GradingItem], log: Callable[[str], None]
    ) -> Generator[tuple[int, Decision]]:
        """Rules, then what is known, then calls."""
        unclear: list[int] = []
        for position, item in enumerate(items):
            decision = self._rules.settle(item) if self._rules else None
            if decision is None:
                unclear.append(position)
            else:
                self._n_by_rules += 1
                yield position, decision
        judge, digest = self._judge.describe(), self._rubric.meaning_digest
        by_position = {position: keyed(items[position], judge, digest) for position in unclear}
        known = self._cache.find(one.key for one in by_position.values())
        pending: dict[str, list[int]] = {}
        for position, one in by_position.items():
            if one.key in known:
                self._n_from_cache += 1
                yield position, known[one.key]
            else:
                pending.setdefault(one.key, []).append(position)
        questions = [
            Question(items[positions[0]], by_position[positions[0]])
            for positions in pending.values()
        ]
        with closing(self._call_all(questions, log)) as answered:
            for question, decision in answered:
                assert question.keyed is not None
                for position in pending[question.keyed.key]:
                    yield position, decision

    def _call_all(
        self, questions: list[Question], log: Callable[[str], None]
    ) -> Generator[tuple[Question, Decision]]:
        """Ask about items, canaries among them; what is in flight at an interrupt is kept."""
        if not questions:
            return
        self._estimate(questions, log)
        queue = deque(
            with_canaries(
                questions,
                self._rubric.canaries,
                every=self._canary_every,
                at_once=self._canaries_a_batch,
                n_before=len(self._canary_log.results()),
            )
        )
        lines: SimpleQueue[str] = SimpleQueue()
        asking = Asking(
            self._judge,
            self._rubric,
            self._spending,
            attempts=self._attempts,
            say=lines.put,
            pause=self._pause,
        )
        pool = ThreadPoolExecutor(self._n_threads, thread_name_prefix="judge")
        running: dict[Future[Decision], Question] = {}
        try:
            while queue or running:
                while queue and len(running) < self._n_threads:
                    question = queue.popleft()
                    running[pool.submit(asking.ask, question)] = question
                done, _ = wait(running, _LOOK_EVERY_S, return_when=FIRST_COMPLETED)
                _drain(lines, log)
                for future in done:
                    question = running.pop(future)
                    decision = future.result()
                    if question.canary is None:
                        yield question, decision
        finally:
            asking.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            _drain(lines, log)

    def _estimate(self, questions: list[Question], log: Callable[[str], None]) -> None:
        """Say before the first call what will be asked and about what it costs."""
        usd = self._judge.price.nano_usd(
            round(
                sum(
                    self._judge.most_tokens(one.item, self._rubric)[0] / _BYTES_A_TOKEN
                    for one in questions
                )
            ),
            len(questions) * min(_REPLY_TOKENS, self._judge.max_output_tokens),
        )
        spent, _ = self._spending.total()
        log(
            f"{len(questions)} items for {self._judge.model}, about ${usd / NANO:.2g} and the "
            f"canaries; ${spent / NANO:.4g} spent on this set before"
        )

    def _so_far(self) -> str:
        """Calls and money since the grader was opened."""
        used = self.usage
        return f"{used.calls} calls, ${used.usd:.4f}"


def _drain(lines: SimpleQueue[str], log: Callable[[str], None]) -> None:
    """Hand on what the threads had to say, repeated lines once."""
    said: set[str] = set()
    while True:
        try:
            line = lines.get_nowait()
        except Empty:
            return
        if line not in said:
            said.add(line)
            log(line)


def _check_numbers(max_usd: float | None, max_calls: int | None, *counts: int) -> None:
    """Refuse what could never work.

    Raises:
        UsageError: see `JudgedGrader`.
    """
    is_wrong_cap = max_usd is not None and not max_usd >= 0
    if is_wrong_cap or (max_calls is not None and max_calls < 0) or min(counts) < 1:
        raise UsageError(
            "A grader's limits make no sense",
            expected="max_usd and max_calls of 0 or more; concurrency, attempts and canaries of 1 "
            "or more",
            got=f"max_usd {max_usd}, max_calls {max_calls}, counts {counts}",
            fix="correct the limits",
        )
