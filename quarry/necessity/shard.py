"""Tests a shard of candidates: durable every 100 problems, failures tried again, nothing twice.

How one problem is tested is the business of a `NecessityMethod`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from quarry.errors import NecessityError, QuarryError
from quarry.necessity.method import Attempt, NecessityMethod
from quarry.necessity.problem import Problem
from quarry.necessity.shard_journal import ShardJournal
from quarry.necessity.table import COLUMNS, FAILED, NecessityRow
from quarry.necessity.verdicts import row_of
from quarry.progress import ProgressLog
from quarry.tables import content_digest

if TYPE_CHECKING:
    import pandas as pd

DURABLE_EVERY: Final = 100
"""Problems between two moments at which all results are safe."""
_MOST_NAMED = 5


@dataclass
class ShardResults:
    """A shard whose every problem has a row.

    Args:
        rows: the results, in the order of the problems.
        n_kept: rows that earlier, interrupted work left.
        journal: their journal, still locked; removed once the table is published.
    """

    rows: list[NecessityRow]
    n_kept: int
    journal: ShardJournal

    def frame(self) -> pd.DataFrame:
        """The results as a table, in which a flag or number may be missing."""
        return results_frame(self.rows)

    def digest(self) -> str:
        """Of the results, whatever the file that holds them."""
        return content_digest(self.frame())

    @property
    def n_failed(self) -> int:
        """Problems that could not be tested."""
        return sum(row["status"] == FAILED for row in self.rows)


def run_shard(
    problems: Sequence[Problem],
    method: NecessityMethod,
    journal: Path,
    *,
    log: Callable[[str], None],
    published: pd.DataFrame | None = None,
    most_failures: int = 0,
) -> ShardResults:
    """Test every problem that no earlier work on this shard has tested in the same way.

    Problems that fail are tried once more at the end, each by itself.

    Args:
        problems: of the shard.
        method: how they are tested.
        journal: where results are kept until the shard is published.
        log: takes lines about the progress.
        published: the shard's table as it was published before. Where problems of it failed, the
            others are taken over; a table without failures is made anew.
        most_failures: how many problems may remain untested.

    Raises:
        NecessityError: more than `most_failures` could not be tested; all others are kept.
        QuarryError: the method could not go on; what was tested is kept.
    """
    description = method.describe()
    named = json.dumps(description, sort_keys=True)
    kept = ShardJournal(journal, description)
    try:
        _take_over(published, kept, named)
        if kept.n_discarded:
            log(f"{kept.n_discarded} results made with other settings are not used")
        ready = {one.id for one in problems if _is_done(kept, one)}
        if ready:
            log(f"going on from {len(ready)} of {len(problems)} problems that were tested before")
        _test_missing([one for one in problems if one.id not in ready], method, kept, named, log)
        _try_again([one for one in problems if _has_failed(kept, one)], method, kept, named, log)
        shard = ShardResults([kept.rows[one.id] for one in problems], len(ready), kept)
        if shard.n_failed > most_failures:
            raise _too_many(shard, most_failures)
    except BaseException:
        kept.close()
        raise
    return shard


def results_frame(rows: Sequence[NecessityRow]) -> pd.DataFrame:
    """Rows as a table with `COLUMNS`; flags and numbers are of types that may be missing."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    flags = ("baseline_correct", "ablated_correct", "needs_cot")
    numbers = ("answer", "baseline_prediction", "ablated_prediction")
    texts = tuple(name for name in COLUMNS if name not in flags + numbers)
    return frame.astype(
        dict.fromkeys(flags, "boolean")
        | dict.fromkeys(numbers, "Float64")
        | dict.fromkeys(texts, "string")
    )


def _take_over(published: pd.DataFrame | None, kept: ShardJournal, named: str) -> None:
    """Keep the tested rows of a published table in which others failed."""
    if published is None or FAILED not in set(published["status"]):
        return
    plain = published.astype(object).where(published.notna(), None)
    rows = cast(list[NecessityRow], plain.to_dict("records"))
    kept.add(
        [
            row
            for row in rows
            if row["status"] != FAILED
            and row["method"] == named
            and row["gsm8k_id"] not in kept.rows
        ]
    )


def _is_done(kept: ShardJournal, problem: Problem) -> bool:
    """Whether a problem was tested, and was the same then."""
    row = kept.rows.get(problem.id)
    if row is None or row["status"] == FAILED:
        return False
    return row["question"] == problem.question and row["full_solution"] == problem.solution


def _has_failed(kept: ShardJournal, problem: Problem) -> bool:
    return kept.rows[problem.id]["status"] == FAILED


def _test_missing(
    problems: Sequence[Problem],
    method: NecessityMethod,
    kept: ShardJournal,
    named: str,
    log: Callable[[str], None],
) -> None:
    """Test problems, a durable group at a time."""
    progress = ProgressLog(log, len(problems), "problems")
    for first in range(0, len(problems), DURABLE_EVERY):
        group = problems[first : first + DURABLE_EVERY]
        outcomes = method.attempt(group)
        kept.add([row_of(*pair, named) for pair in zip(group, outcomes, strict=True)])
        progress.update(first + len(group))


def _try_again(
    problems: Sequence[Problem],
    method: NecessityMethod,
    kept: ShardJournal,
    named: str,
    log: Callable[[str], None],
) -> None:
    """Test problems once more, each alone, so that none fails for another's sake."""
    if problems:
        log(f"{len(problems)} problems could not be tested; each is tried once more, alone")
    for problem in problems:
        outcome: Attempt | Exception
        try:
            [outcome] = method.attempt([problem])
        except QuarryError as error:
            outcome = error
        kept.add([row_of(problem, outcome, named)])


def _too_many(shard: ShardResults, most: int) -> NecessityError:
    """The error that names some of the problems that could not be tested."""
    failed = [row for row in shard.rows if row["status"] == FAILED]
    shown = "".join(f"\n    {row['gsm8k_id']}: {row['error']}" for row in failed[:_MOST_NAMED])
    more = f"\n    and {len(failed) - _MOST_NAMED} more" if len(failed) > _MOST_NAMED else ""
    return NecessityError(
        "Problems could not be tested",
        where=str(shard.journal.path),
        expected=f"at most {most} of {len(shard.rows)}",
        got=f"{len(failed)}:{shown}{more}",
        fix="remove the cause and materialise the shard again: only these are tried then; or allow "
        "them with `most_failures`, which leaves them out of every dataset",
    )
