"""`Outcome`: what one row of the soak found, and `Tally`, which counts its cases on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

Progress = Callable[[int, int], None]
"""Called with cases done and cases in all."""

_MISSES_KEPT = 20


def silent(done: int, total: int) -> None:
    """The progress of a caller that wants none."""


@dataclass(frozen=True)
class Outcome:
    """What a row found.

    Args:
        row: its number in the table of claims.
        claim: what is claimed, in a few words.
        n_asked: cases that were to be tried.
        n_reached: cases in which the claim held.
        figure: what was measured, for a person.
        bar: what had to be reached, for a person.
        is_met: whether it was reached.
        seed: repeats this very run.
        misses: the first cases in which the claim did not hold.
        facts: further figures by name.
        seconds: how long it took; filled in by the runner.
    """

    row: int
    claim: str
    n_asked: int
    n_reached: int
    figure: str
    bar: str
    is_met: bool
    seed: int
    misses: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Tally:
    """Counts cases, remembers those that missed, and tells progress.

    Args:
        total: cases that are asked for.
        progress: told about each case.
    """

    def __init__(self, total: int, progress: Progress = silent) -> None:
        self.total = total
        self.n_done = 0
        self.n_held = 0
        self.misses: list[str] = []
        self.counts: Counter[str] = Counter()
        self._progress = progress

    def case(self, name: str, wrong: str | Iterable[str] = ()) -> None:
        """Note a case.

        Args:
            name: what repeats it, such as `case 17: bit 3 of byte 1044 of b.h5`.
            wrong: what was wrong in words; empty if the claim held.
        """
        reasons = [wrong] if isinstance(wrong, str) else list(wrong)
        reasons = [reason for reason in reasons if reason]
        self.n_done += 1
        self.n_held += not reasons
        if reasons and len(self.misses) < _MISSES_KEPT:
            self.misses.append(f"{name}: {'; '.join(reasons)}")
        self._progress(self.n_done, self.total)

    def share(self, name: str, of: str | None = None) -> str:
        """A count against another one, or against all cases, for a person."""
        total = self.n_done if of is None else self.counts[of]
        return f"{self.counts[name]}/{total}"

    @property
    def is_whole(self) -> bool:
        """Whether every case that was asked for was tried and held."""
        return self.n_held == self.n_done == self.total
