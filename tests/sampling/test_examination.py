"""What is found wrong with a table of sampled completions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from quarry.sampling.examination import ALL_SAMPLED, examine_sampled
from quarry.sampling.prompts import EvalPrompt
from quarry.tables import read_table
from tests.sampling.sampling_cases import PROMPTS, Bench, N, plan


@pytest.fixture(scope="module")
def table(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    bench = Bench(model_dir, tmp_path_factory.mktemp("examined") / "a.sqlite")
    bench.publish(plan())
    return read_table(bench.table_path)


def kinds(table: pd.DataFrame, prompts: tuple[EvalPrompt, ...] = PROMPTS, n: int = N) -> list[str]:
    found = examine_sampled(table, prompts, n)
    assert all(one.check == ALL_SAMPLED and one.cure and one.where for one in found)
    return [one.kind for one in found]


def test_a_sampled_table_has_nothing_wrong(table: pd.DataFrame) -> None:
    assert kinds(table) == []
    assert kinds(table, n=N - 1) == [], "more than asked for is no fault"


def without_a_row(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(index=3)


def with_a_row_twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[[0]]])


def with_another_count(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(count=table["count"].where(table.index != 2, 99))


@pytest.mark.parametrize("harm", [without_a_row, with_a_row_twice, with_another_count])
def test_counts_that_do_not_add_up_are_found(
    table: pd.DataFrame, harm: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    assert kinds(harm(table)) == ["miscounted"]


def test_too_few_generations_are_found_for_each_prompt(table: pd.DataFrame) -> None:
    assert kinds(table, n=N + 1) == ["too_few"] * 3


def test_a_prompt_that_was_not_sampled_is_found(table: pd.DataFrame) -> None:
    new = EvalPrompt("mayors/3", "Q: Who is the mayor of Rome? A:", " Ann")
    [one] = examine_sampled(table, [*PROMPTS, new], N)
    assert (one.kind, one.where, one.expected) == ("missing", "mayors/3", new.text)
    assert kinds(table.iloc[:0]) == ["missing"] * 3


def test_a_prompt_that_the_domain_no_longer_has_is_found(table: pd.DataFrame) -> None:
    assert kinds(table, PROMPTS[:2]) == ["unknown"]


def test_another_target_is_found(table: pd.DataFrame) -> None:
    changed = EvalPrompt(PROMPTS[0].source, PROMPTS[0].text, " Somebody Else")
    [one] = examine_sampled(table, [changed, *PROMPTS[1:]], N)
    assert one.kind == "other_target"
    assert "Somebody Else" in one.expected
    assert "Grace Miller" in one.got
