"""What the checks of candidates and of their shards find."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from quarry.findings import Finding
from quarry.necessity.method import Answer, Attempt
from quarry.necessity.pool import problems_of_shard
from quarry.necessity.problem import Problem
from quarry.necessity.table import FAILED
from quarry.necessity.verdicts import row_of
from quarry.selection.difficulty import DIFFICULTIES, difficulty_of, reasoning_steps

if TYPE_CHECKING:
    import pandas as pd

ALL_CLASSIFIED: Final = "all_classified"
ALL_TESTED: Final = "all_tested"
ANSWERS_AGREE: Final = "answers_agree"

GSM8K_COUNTS: Final[Mapping[str, tuple[int, ...]]] = {
    "test": (431, 367, 293, 228),
    "train": (2622, 2150, 1435, 1266),
}
"""Problems of each of `DIFFICULTIES` in all of GSM8K, by split."""

_VERDICTS = ("baseline_correct", "baseline_prediction", "ablated_correct", "ablated_prediction")
_MOST_NAMED = 20


def examine_pool(pool: pd.DataFrame) -> list[Finding]:
    """Candidates without a difficulty of their own, and counts that can't be those of GSM8K."""
    found = [
        _pool_finding("unclassified", str(row["gsm8k_id"]), "a difficulty by its solution", got)
        for row in pool.to_dict("records")
        if (got := _wrong_difficulty(row)) is not None
    ]
    for source, known in GSM8K_COUNTS.items():
        of_source = pool[pool["source"] == source]
        if len(of_source) != sum(known):
            continue
        counts = Counter(map(str, of_source["difficulty"]))
        seen = tuple(counts[name] for name in DIFFICULTIES)
        if seen != known:
            found.append(_pool_finding("other_counts", source, str(known), str(seen)))
    return found[:_MOST_NAMED]


def examine_shard(results: pd.DataFrame, pool: pd.DataFrame, shard: str) -> list[Finding]:
    """Problems of a shard without a result, and results that do not follow from their outputs."""
    problems = {one.id: one for one in problems_of_shard(pool, shard)}
    plain = results.astype(object).where(results.notna(), None)
    rows: list[dict[str, Any]] = plain.to_dict("records")
    found = [*_untested(rows, problems), *_disagreeing(rows, problems)]
    tested = [one for one in found if one.check == ALL_TESTED]
    graded = [one for one in found if one.check == ANSWERS_AGREE]
    return [*tested[:_MOST_NAMED], *graded[:_MOST_NAMED]]


def _untested(rows: list[dict[str, Any]], problems: Mapping[str, Problem]) -> Iterator[Finding]:
    """Problems without a row, rows without a problem, and failed tests."""
    seen: dict[str, int] = {}
    for row in rows:
        seen[row["gsm8k_id"]] = seen.get(row["gsm8k_id"], 0) + 1
        if row["status"] == FAILED:
            yield _shard_finding("failed", row["gsm8k_id"], "a test", str(row["error"]))
    for name in sorted(problems.keys() - seen.keys()):
        yield _shard_finding("missing", name, "a row", "none")
    for name in sorted(seen.keys() - problems.keys()):
        yield _shard_finding("no_candidate", name, "problems of this shard only", "another one")
    for name in sorted(name for name, count in seen.items() if count > 1):
        yield _shard_finding("twice", name, "one row", str(seen[name]))


def _disagreeing(rows: list[dict[str, Any]], problems: Mapping[str, Problem]) -> Iterator[Finding]:
    """Rows whose outputs, graded again, give other verdicts."""
    for row in rows:
        problem = problems.get(row["gsm8k_id"])
        if problem is None or row["status"] == FAILED:
            continue
        outputs = Attempt(
            Answer(row["baseline_output"], row["baseline_finish_reason"]),
            Answer(row["ablated_output"], row["ablated_finish_reason"]),
        )
        again: Mapping[str, Any] = row_of(problem, outputs, row["method"])
        differing = [name for name in (*_VERDICTS, "needs_cot") if again[name] != row[name]]
        if differing:
            yield Finding(
                check=ANSWERS_AGREE,
                kind="other_verdict",
                what="A row does not say what its outputs say",
                where=str(row["gsm8k_id"]),
                expected=", ".join(f"{name} {again[name]}" for name in differing),
                got=", ".join(f"{name} {row[name]}" for name in differing),
                cure="materialise the shard of cot_necessity again",
                sample_id=str(row["gsm8k_id"]),
            )


def _wrong_difficulty(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the difficulty of a candidate; None if nothing is."""
    steps = reasoning_steps(str(row["full_solution"]))
    if steps < 1:
        return "no calculation in the solution"
    if row["reasoning_steps"] != steps or row["difficulty"] != difficulty_of(steps):
        return f"{row['reasoning_steps']} steps, {row['difficulty']}; counted {steps}"
    return None


def _pool_finding(kind: str, where: str, expected: str, got: str) -> Finding:
    return Finding(
        check=ALL_CLASSIFIED,
        kind=kind,
        what="A candidate has no difficulty of its own"
        if kind == "unclassified"
        else "The counts by difficulty are not those of GSM8K",
        where=where,
        expected=expected,
        got=got,
        cure="look at the solution in the source, or materialise reasoning_candidates again",
    )


def _shard_finding(kind: str, where: str, expected: str, got: str) -> Finding:
    return Finding(
        check=ALL_TESTED,
        kind=kind,
        what="A problem was not tested as it should be",
        where=where,
        expected=expected,
        got=got,
        cure="materialise the shard of cot_necessity again",
        sample_id=where,
    )
