"""Merged results cover the candidates once, and the checks see what is wrong with a shard."""

from pathlib import Path

import pandas as pd
import pytest

from quarry.errors import NecessityError
from quarry.necessity.examination import (
    ALL_TESTED,
    ANSWERS_AGREE,
    GSM8K_COUNTS,
    examine_pool,
    examine_shard,
)
from quarry.necessity.merging import merged_results
from quarry.necessity.pool import pool_frame, problems_of_shard
from quarry.necessity.shard import run_shard
from quarry.necessity.summary import summarise_necessity
from quarry.plots.necessity import necessity_by_difficulty
from quarry.tables import read_table, write_table
from tests.necessity.methods import ByTheLastDigit, problems

SHARDS = ("shard-00", "shard-01", "shard-02")


@pytest.fixture(scope="module")
def pool() -> pd.DataFrame:
    return pool_frame(problems(60), len(SHARDS))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, pool: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every shard as it comes back from its file."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in SHARDS:
        method = ByTheLastDigit(folder / "diary")
        found = run_shard(
            problems_of_shard(pool, shard), method, folder / f"{shard}.journal", log=print
        )
        found.journal.close()
        write_table(found.frame(), folder / f"{shard}.parquet")
    return {shard: read_table(folder / f"{shard}.parquet") for shard in SHARDS}


def test_results_are_in_the_order_of_the_pool(pool: pd.DataFrame, shards: dict[str, pd.DataFrame]):
    merged = merged_results(dict(reversed(shards.items())), pool)
    assert list(merged["gsm8k_id"]) == list(pool["gsm8k_id"])
    assert list(merged["needs_cot"]).count(True) == 24


def test_a_missing_a_repeated_and_a_foreign_problem_are_refused(
    pool: pd.DataFrame, shards: dict[str, pd.DataFrame]
):
    fewer = {**shards, SHARDS[0]: shards[SHARDS[0]].iloc[1:]}
    twice = {**shards, "again": shards[SHARDS[0]].iloc[:1]}
    for wrong in (fewer, twice):
        with pytest.raises(NecessityError, match="other problems"):
            merged_results(wrong, pool)
    with pytest.raises(NecessityError, match="other problems"):
        merged_results(shards, pool.iloc[1:])


def test_shards_of_two_methods_are_not_mixed(pool: pd.DataFrame, shards: dict[str, pd.DataFrame]):
    other = shards[SHARDS[1]].assign(method="another")
    with pytest.raises(NecessityError, match="different ways") as caught:
        merged_results({**shards, SHARDS[1]: other}, pool)
    assert SHARDS[1] in str(caught.value)


def test_an_intact_shard_has_no_findings(pool: pd.DataFrame, shards: dict[str, pd.DataFrame]):
    assert not [one for shard in SHARDS for one in examine_shard(shards[shard], pool, shard)]


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("needs_cot", True, ANSWERS_AGREE),
        ("baseline_correct", False, ANSWERS_AGREE),
        ("ablated_prediction", 12.0, ANSWERS_AGREE),
        ("baseline_output", "#### 7777", ANSWERS_AGREE),
        ("status", "failed", ALL_TESTED),
        ("gsm8k_id", "train_999", ALL_TESTED),
    ],
)
def test_one_wrong_value_is_found_and_its_row_named(
    pool: pd.DataFrame, shards: dict[str, pd.DataFrame], column: str, value: object, check: str
):
    wrong = shards[SHARDS[0]].copy()
    row = next(n for n, name in enumerate(wrong["gsm8k_id"]) if int(name[-1]) < 5)
    name = wrong["gsm8k_id"].iloc[row]
    wrong.loc[row, column] = value
    found = examine_shard(wrong, pool, SHARDS[0])
    assert {one.check for one in found} == {check}
    assert name in {one.sample_id for one in found}


def test_rows_that_lack_or_repeat_are_found(pool: pd.DataFrame, shards: dict[str, pd.DataFrame]):
    table = shards[SHARDS[0]]
    assert [one.kind for one in examine_shard(table.iloc[1:], pool, SHARDS[0])] == ["missing"]
    doubled = pd.concat([table, table.iloc[:1]])
    assert [one.kind for one in examine_shard(doubled, pool, SHARDS[0])] == ["twice"]


def test_a_candidate_with_a_wrong_difficulty_is_found(pool: pd.DataFrame):
    assert not examine_pool(pool)
    wrong = pool.copy()
    wrong.loc[3, "difficulty"] = "5+step"
    assert [one.where for one in examine_pool(wrong)] == [pool["gsm8k_id"][3]]


def test_counts_that_are_not_those_of_gsm8k_are_found(pool: pd.DataFrame):
    n_test = sum(GSM8K_COUNTS["test"])
    whole = pool_frame(problems(n_test), 3).assign(source="test")
    assert [one.kind for one in examine_pool(whole)] == ["other_counts"]


def test_the_summary_counts_by_source_and_difficulty(
    pool: pd.DataFrame, shards: dict[str, pd.DataFrame]
):
    merged = merged_results(shards, pool)
    merged.loc[0, ["status", "needs_cot"]] = ["failed", None]
    merged["source"] = ["test"] * 20 + ["train"] * 40
    summary = summarise_necessity(merged)
    assert (summary.whole.n_tested, summary.whole.n_failed) == (59, 1)
    assert [one.name for one in summary.by_source] == ["test", "train"]
    assert sum(one.n_needs for one in summary.by_source) == summary.whole.n_needs
    assert [one.name for one in summary.by_difficulty] == ["2-step"]
    assert summary.facts()["needs_cot_rate"] == summary.whole.n_needs / 59
    assert necessity_by_difficulty(summary, title="model").startswith(b"\x89PNG")


def test_a_single_shard_may_come_alone(tmp_path: Path):
    one = pool_frame(problems(10), 1)
    shard = run_shard(
        problems_of_shard(one, "shard-00"),
        ByTheLastDigit(tmp_path / "diary"),
        tmp_path / "journal",
        log=print,
    )
    shard.journal.close()
    assert len(merged_results(shard.frame(), one)) == 10
