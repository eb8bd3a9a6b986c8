"""`Campaign`: one judge grades a set while its calls fail and its processes are killed.

Truth is what the server billed, what the killed processes had handed out before, and the verdicts
that are known of the items; the grader's own record is asked only for what a kill cut off.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quarry.equivalence.decision_cache import keyed
from quarry.equivalence.grader import Decision
from quarry.equivalence.judged import JudgedGrader
from tests.equivalence.bad_days import answered_items, cut_off, failing
from tests.equivalence.grader_server import GARBAGE, GraderServer
from tests.equivalence.judge_cases import RUBRIC, grader_of, items, judge_of
from tests.soak.forking import Forker
from tests.soak.grading_jobs import ATTEMPTS, CONCURRENCY
from tests.soak.grading_strikes import Moment, Striker

FAULT_SHARE = 0.3
USD_AN_ITEM, USD_A_KILL = 0.002, 0.03
"""Of the cap: items cost half of it, and calls that a kill cut off stay paid at their most."""

TIGHT_USD = 0.012
"""How much more may be spent before the tight cap stops a run: a call sets aside about half."""
MANY_LEFT = 10
"""Items that cost more than that. A slow machine kills late; where fewer are left, a cap stops them
that is too tight for one call."""

KILLED_SHARE = 0.6
"""Of the calls that items take, about; the kills fall into it."""


@dataclass
class Ledger:
    """What a campaign came to."""

    wrong: list[str] = field(default_factory=list[str])
    wrong_of_items: list[list[str]] = field(default_factory=list[list[str]])
    counts: Counter[str] = field(default_factory=Counter[str])
    tight_cap_usd: float = 0.0
    tight_billed_usd: float = 0.0
    cap_usd: float = 0.0
    billed_usd: float = 0.0


class Campaign:
    """All runs of one judge over one set.

    Args:
        kind: of the judge.
        n_items: how many.
        moments: of the kills, in order.
        seed: of every draw.
        directory: for the record; is there.
        told: takes how many items are decided.
    """

    def __init__(
        self,
        kind: str,
        n_items: int,
        moments: Sequence[Moment],
        seed: int,
        directory: Path,
        told: Callable[[str, int], None],
    ) -> None:
        self._kind, self._items, self._moments = kind, items(n_items), moments
        self._draw = random.Random(f"{seed}/{kind}")
        self._seed, self._told = seed, told
        self._directory = directory
        self._path, self._handed_out = directory / "grading.sqlite", directory / "handed_out"
        self._ledger = Ledger(cap_usd=USD_AN_ITEM * n_items + USD_A_KILL * len(moments))
        self._known_from: dict[int, tuple[int, str]] = {}

    def run(self) -> Ledger:
        """Killed runs, one that the cap stops, one to the end, and one that finds all done."""
        errors = self._directory / "errors"
        with GraderServer() as server, Forker("tests.soak.grading_jobs", errors) as forker:
            fails = failing(self._seed, FAULT_SHARE, most_in_all=1_000_000)
            striker = Striker(server, forker, fails, self._draw)
            for moment in self._moments:
                self._kill_one(server, striker, moment)
            self._run_into_the_cap(server)
            decisions = self._finish(server)
            self._check_items(server, decisions)
        return self._ledger

    def _kill_one(self, server: GraderServer, striker: Striker, moment: Moment) -> None:
        """A run that is killed; what it had handed out is known from then on."""
        usual = max(2, round(KILLED_SHARE * 1.4 * len(self._items) / len(self._moments)))
        after = self._draw.randint(usual // 2, usual * 3 // 2)
        job = {
            "url": server.url, "kind": self._kind, "path": str(self._path),
            "handed_out": str(self._handed_out), "n_items": len(self._items),
            "max_usd": self._ledger.cap_usd,
        }  # fmt: skip
        if striker.kill(job, after, moment):
            self._ledger.counts["kills"] += 1
        else:
            self._ledger.wrong.append(f"a run was over before its kill ({moment})")
        self._note_handed_out(len(server.books.asked))
        self._told(self._kind, len(self._known_from))

    def _note_handed_out(self, n_asked: int) -> None:
        """What is decided once must stay so, and be asked no more."""
        text = self._handed_out.read_text() if self._handed_out.exists() else ""
        for line in text.splitlines(keepends=True):
            position, _, outcome = line.partition(" ")
            if line.endswith("\n") and outcome != "ungraded\n":
                known = self._known_from.setdefault(int(position), (n_asked, outcome.strip()))
                if known[1] != outcome.strip():
                    self._ledger.wrong.append(f"item {position} was handed out with two verdicts")

    def _run_into_the_cap(self, server: GraderServer) -> None:
        """A run under a cap that is nearly spent; it has to stop with items left."""
        ledger = self._ledger
        with self._grader(server, 0.0) as grader:
            spent_usd = grader._spending.total()[0] / 1e9
        has_many_left = len(self._items) - len(self._known_from) >= MANY_LEFT
        ledger.tight_cap_usd = spent_usd + TIGHT_USD / (1 if has_many_left else 4)
        reasons, n_calls = self._graded(server, ledger.tight_cap_usd)
        ledger.tight_billed_usd = server.books.billed_usd
        if n_calls and not any(one.reason.startswith("spend limit") for one in reasons):
            ledger.wrong.append("the tight cap stopped nothing")
        if ledger.tight_billed_usd > ledger.tight_cap_usd:
            ledger.wrong.append("more was billed than the tight cap allows")

    def _finish(self, server: GraderServer) -> list[Decision]:
        """A run to the end, and one more that has nothing to ask."""
        ledger = self._ledger
        decisions, _ = self._graded(server, ledger.cap_usd)
        ledger.billed_usd = server.books.billed_usd
        n_asked = len(server.books.asked)
        again, n_calls = self._graded(server, ledger.cap_usd)
        ledger.counts["calls of a re-run"] = max(n_calls, len(server.books.asked) - n_asked)
        if again != decisions or ledger.counts["calls of a re-run"]:
            ledger.wrong.append(f"a re-run made {n_calls} calls or decided otherwise")
        if ledger.billed_usd > ledger.cap_usd:
            ledger.wrong.append("more was billed than the cap allows")
        return decisions

    def _graded(self, server: GraderServer, max_usd: float) -> tuple[list[Decision], int]:
        """All decisions of a run in this process, and how many calls it made."""
        found: dict[int, list[Decision]] = {}
        with self._grader(server, max_usd) as grader:
            for position, decision in grader.grade(self._items, log=lambda _: None):
                found.setdefault(position, []).append(decision)
                self._told(self._kind, max(len(found), len(self._known_from)))
            n_calls = grader.usage.calls
        if sorted(found) != list(range(len(self._items))) or any(
            len(handed_out) != 1 for handed_out in found.values()
        ):
            self._ledger.wrong.append("a run did not decide on each item once")
        return [found[position][0] for position in sorted(found)], n_calls

    def _grader(self, server: GraderServer, max_usd: float) -> JudgedGrader:
        settings = {"attempts": ATTEMPTS, "concurrency": CONCURRENCY, "max_usd": max_usd}
        return grader_of(judge_of(self._kind, server), self._path, **settings)

    def _check_items(self, server: GraderServer, decisions: list[Decision]) -> None:
        """Hold every item against the books of the server."""
        counts, lost = self._ledger.counts, cut_off(self._path)
        answers, judge = answered_items(server), judge_of(self._kind, server)
        identity = judge.describe()
        judge.close()
        n_asked_again = self._asked_again(server)
        for row, (item, decision) in enumerate(zip(self._items, decisions, strict=True)):
            expected = "not_equivalent" if row % 2 else "equivalent"
            n_lost = lost[keyed(item, identity, RUBRIC.meaning_digest).key]
            n_repeated = answers[item.completion] - 1
            counts["repeated"] += max(0, n_repeated)
            counts["repeated beyond kills"] += max(0, n_repeated - n_lost)
            handed_out = self._known_from.get(row, (0, decision.outcome))[1]
            self._ledger.wrong_of_items.append([
                f"is {decision.outcome}: {decision.reason}" if decision.outcome != expected else "",
                f"was {handed_out} before a kill" if handed_out != decision.outcome else "",
                f"{n_repeated} repeated answers, {n_lost} calls cut off"
                if not 0 <= n_repeated <= n_lost else "",
                "asked again after it was handed out" if n_asked_again[item.completion] else "",
            ])  # fmt: skip
        books = server.books
        counts["calls"], counts["failed calls"] = len(books.asked), books.faults.total()
        counts["billed without verdict"] = sum(books.faults[name] for name in GARBAGE)
        counts["cut off"] = lost.total()
        if lost.total() > CONCURRENCY * len(self._moments):
            self._ledger.wrong.append(f"{lost.total()} calls without an end by the record")

    def _asked_again(self, server: GraderServer) -> Counter[str]:
        """Requests about items that a killed process had handed out before."""
        known = {self._items[row].completion: n for row, (n, _) in self._known_from.items()}
        return Counter(
            asked.completion
            for asked in server.books.asked
            if asked.number >= known.get(asked.completion, len(server.books.asked))
        )
