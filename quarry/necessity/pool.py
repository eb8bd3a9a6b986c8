"""The pool of candidates for a test of necessity: which problems, and in which shard each is.

Problems come from a benchmark's splits; how hard each is lives in `quarry.selection.difficulty`.
"""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from quarry.benchmarks.draw import draw_samples
from quarry.errors import RecordError, UnknownNameError
from quarry.necessity.problem import Problem
from quarry.necessity.shards import shard_of
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.selection.questions import same_question_key

if TYPE_CHECKING:
    import pandas as pd

    from quarry.samples import Sample

POOL_COLUMNS: Final = (
    "gsm8k_id",
    "question",
    "answer",
    "full_solution",
    "source",
    "reasoning_steps",
    "difficulty",
    "shard",
)


def problem_of(sample: Sample) -> Problem:
    """The candidate that a GSM8K sample is; its id is `<split>_<row>`.

    Raises:
        RecordError: the sample has no worked solution.
    """
    _, split, row = sample.id.rsplit("/", 2)
    solution = sample.metadata.get("solution")
    if not isinstance(solution, str):
        raise RecordError(
            "A sample has no worked solution",
            where=sample.id,
            expected="a `solution` in its metadata, as GSM8K has",
            got=repr(solution),
            fix="name a benchmark in the GSM8K format under reasoning.candidates",
        )
    return Problem(f"{split}_{row}", sample.input, sample.target, solution, split)


def draw_pool(
    samples: Iterable[Sample], *, n: int | None, seed: int, tested: Collection[str]
) -> list[Problem]:
    """The candidates, in the order of their hashes.

    Args:
        samples: of all splits.
        n: how many at most; None for all.
        seed: of the draw.
        tested: questions that were tested elsewhere and are left out.

    Raises:
        RecordError: a sample has no worked solution, or two have the same id.
    """
    known = {same_question_key(question) for question in tested}
    fresh = [one for one in samples if same_question_key(one.input) not in known]
    return [problem_of(one) for one in draw_samples(fresh, len(fresh) if n is None else n, seed)]


def pool_frame(problems: Sequence[Problem], n_shards: int) -> pd.DataFrame:
    """The pool as a table with `POOL_COLUMNS`, one row a problem, in the order given."""
    import pandas as pd

    rows: list[tuple[str, str, str, str, str, int, str, str]] = []
    for one in problems:
        steps = reasoning_steps(one.solution)
        place = shard_of(one.id, n_shards)
        difficulty = difficulty_of(steps)
        rows.append(
            (one.id, one.question, one.answer, one.solution, one.source, steps, difficulty, place)
        )
    return pd.DataFrame(rows, columns=list(POOL_COLUMNS))


def pool_problems(pool: pd.DataFrame) -> list[Problem]:
    """The problems of a pool's table, in its order."""
    columns = ["gsm8k_id", "question", "answer", "full_solution", "source"]
    rows = pool[columns].itertuples(index=False, name=None)
    return [Problem(*map(str, row)) for row in rows]


def problems_of_shard(pool: pd.DataFrame, shard: str) -> list[Problem]:
    """The problems of one shard, in the order of the pool.

    Raises:
        UnknownNameError: no problem of the pool is in that shard.
    """
    problems = pool_problems(pool.loc[pool["shard"] == shard])
    if not problems:
        raise UnknownNameError(
            "A shard has no problems",
            where="reasoning_candidates",
            expected=f"one of {', '.join(sorted(set(pool['shard'])))}",
            got=shard,
            fix="materialise reasoning_candidates again, or use fewer shards: reasoning.candidates",
        )
    return problems
