"""All shards of a model in one table: every candidate once, all tested in the same way."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarry.errors import NecessityError

if TYPE_CHECKING:
    import pandas as pd

_MOST_NAMED = 5


def merged_results(
    shards: Mapping[str, pd.DataFrame] | pd.DataFrame, pool: pd.DataFrame
) -> pd.DataFrame:
    """The results of all shards, in the order of the pool.

    Args:
        shards: results by partition key; a single shard may come alone.
        pool: the candidates, see `quarry.necessity.pool`.

    Raises:
        NecessityError: shards were tested in different ways, or are of other candidates.
    """
    import pandas as pd

    tables = {"": shards} if isinstance(shards, pd.DataFrame) else shards
    _require_one_method(tables)
    results = pd.concat(list(tables.values()), ignore_index=True)
    _require_same_problems(results, pool)
    places = {name: place for place, name in enumerate(pool["gsm8k_id"])}
    order = sorted(range(len(results)), key=lambda row: places[results["gsm8k_id"].iloc[row]])
    return results.iloc[order].reset_index(drop=True)


def _require_one_method(tables: Mapping[str, pd.DataFrame]) -> None:
    """Refuse shards that can't be compared."""
    shards_of: dict[str, list[str]] = {}
    for partition, table in tables.items():
        for method in set(map(str, table["method"])):
            shards_of.setdefault(method, []).append(partition)
    if len(shards_of) > 1:
        few = min(shards_of, key=lambda method: len(shards_of[method]))
        raise NecessityError(
            "Shards of a model were tested in different ways",
            where=", ".join(shards_of[few][:_MOST_NAMED]),
            expected="one method with the same settings and weights for all shards",
            got=f"{len(shards_of)} methods; the rarest is {few}",
            fix="materialise these shards of cot_necessity again",
        )


def _require_same_problems(results: pd.DataFrame, pool: pd.DataFrame) -> None:
    """Refuse results of candidates that are others by now."""
    columns = ["gsm8k_id", "question", "full_solution"]
    tested = set(results[columns].astype(str).itertuples(index=False, name=None))
    wanted = set(pool[columns].astype(str).itertuples(index=False, name=None))
    if tested == wanted and len(results) == len(pool):
        return
    differing = sorted({row[0] for row in tested ^ wanted})
    raise NecessityError(
        "The shards hold other problems than the candidates",
        where=", ".join(differing[:_MOST_NAMED]) or "a problem that occurs twice",
        expected=f"the {len(pool)} problems of reasoning_candidates, each once",
        got=f"{len(results)} rows, of which {len(tested - wanted)} are no candidates; "
        f"{len(wanted - tested)} candidates are missing",
        fix="materialise cot_necessity again for the shards of these problems",
    )
