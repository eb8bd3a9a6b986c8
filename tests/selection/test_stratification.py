"""The choice: what is kept, what is taken, and that order, repetition and growth don't matter."""

from collections import Counter
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.benchmarks.draw import draw_rank
from quarry.errors import RecordError, UsageError
from quarry.selection.columns import DATASET_COLUMNS, records_of, table_of
from quarry.selection.quotas import StrataSpec, parse_quotas
from quarry.selection.report_text import report_markdown
from quarry.selection.stratification import Stratified, stratify
from tests.selection.necessity_rows import failed, row, solution, table


def choose(
    rows: list[dict[str, Any]], target: str, kept: list[dict[str, Any]] | None = None, **settings
) -> Stratified:
    items = None if kept is None else table_of(kept, DATASET_COLUMNS)
    return stratify(table(rows), items, StrataSpec(parse_quotas(target), **settings))


def ids(chosen: Stratified) -> list[str]:
    return [str(id) for id in chosen.rows["gsm8k_id"]]


def item(n: int, steps: int = 2, **fields: Any) -> dict[str, Any]:
    """An existing item."""
    return row(f"existing_{n}", steps, **{"source": "test", "reasoning_steps": steps, **fields})


def twenty(steps: int = 2) -> list[dict[str, Any]]:
    return [row(f"train_{n}", steps) for n in range(20)]


def test_existing_items_come_first_and_new_ones_fill_up_in_the_order_of_their_hashes():
    chosen = choose(twenty(), "2-step=6", [item(0), item(1)])
    order = sorted((f"train_{n}" for n in range(20)), key=lambda id: draw_rank(42, id))
    assert set(ids(chosen)[:2]) == {"existing_0", "existing_1"}
    assert ids(chosen)[2:] == order[:4]
    assert chosen.rows["is_existing"].tolist() == [True] * 2 + [False] * 4
    [stratum] = chosen.report.strata
    assert (stratum.target, stratum.existing, stratum.new, stratum.buffer) == (6, 2, 4, 16)
    assert chosen.report.is_met


def test_strata_stand_in_the_order_of_the_targets():
    rows = [row(f"train_{n}", n % 6) for n in range(60)]
    chosen = choose(rows, "5+step=3,2-step=2,4-step=1")
    assert chosen.rows["difficulty"].tolist() == ["5+step"] * 3 + ["2-step"] * 2 + ["4-step"]
    assert chosen.report.outside == {"3-step": 10}


def test_only_tested_problems_that_need_their_thoughts_are_chosen():
    rows = [
        row("test_0"),
        row("test_1", is_right=False),
        row("test_2", is_ablated_right=True),
        failed("train_3"),
    ]
    chosen = choose(rows, "2-step=4")
    assert ids(chosen) == ["test_0"]
    assert not chosen.report.is_met
    assert chosen.report.shortage == chosen.report.strata[0].shortage == 3
    test, train = chosen.report.sources
    assert (test.source, test.tested, test.eligible, test.failed) == ("test", 3, 1, 0)
    assert test.interval is not None
    assert test.interval.low < test.interval.rate == 1 / 3 < test.interval.high
    assert (train.tested, train.failed, train.interval) == (0, 1, None)
    assert chosen.report.n_failed == 1


def test_a_shortage_is_never_filled_from_another_stratum():
    rows = [*twenty(2), row("test_0", 3)]
    chosen = choose(rows, "2-step=5,3-step=5")
    assert Counter(chosen.rows["difficulty"]) == {"2-step": 5, "3-step": 1}
    assert [stratum.shortage for stratum in chosen.report.strata] == [0, 4]


def test_existing_items_are_kept_beyond_a_target_and_without_one():
    kept = [
        item(0),
        item(1),
        item(2),
        item(3, 4),
        item(4, reasoning_steps=None, full_solution=None),
    ]
    chosen = choose(twenty(), "2-step=2", kept)
    assert sorted(ids(chosen)) == [f"existing_{n}" for n in range(5)]
    assert set(chosen.rows["is_existing"]) == {True}
    by_name = {stratum.stratum: stratum for stratum in chosen.report.strata}
    assert list(by_name) == ["2-step", "(none)", "4-step"]
    assert by_name["2-step"].excess == 1
    assert by_name["4-step"].quota == ""
    text = report_markdown(chosen.report)
    assert "1 existing beyond the target kept" in text
    assert "no target; existing kept" in text


def test_a_question_of_an_existing_item_is_not_chosen_again_however_it_is_typed():
    rows = [row("test_0", question="what was  asked,  in pair 0"), row("test_1"), row("test_2")]
    chosen = choose(rows, "2-step=4", [item(0, question="What was asked in pair 0?")])
    assert set(ids(chosen)) == {"existing_0", "test_1", "test_2"}
    assert chosen.report.n_of_existing == 1


def test_a_question_that_two_candidates_share_is_chosen_once():
    rows = [row(f"test_{n}", question="The same?") for n in range(3)]
    chosen = choose(rows, "2-step=3")
    assert ids(chosen) == [min((f"test_{n}" for n in range(3)), key=lambda id: draw_rank(42, id))]
    assert chosen.report.n_repeated == 2


def test_an_earlier_dataset_can_be_what_is_kept():
    small = choose(twenty(), "2-step=5", [item(0)])
    large = stratify(table(twenty()), small.rows, StrataSpec(parse_quotas("2-step=9")))
    assert set(ids(small)) < set(ids(large))
    assert large.rows["is_existing"].tolist().count(True) == 5
    assert large.report.n_of_existing == 4


def test_difficulty_is_counted_from_the_solution_whatever_the_candidate_says():
    rows = [row("test_0", 4, reasoning_steps=2, difficulty="2-step")]
    [chosen] = records_of(choose(rows, "4-step=1").rows)
    assert (chosen["reasoning_steps"], chosen["difficulty"]) == (4, "4-step")


def test_an_existing_item_keeps_its_own_number_of_steps():
    [kept] = records_of(choose([], "2-step=1", [item(0, 2, full_solution=solution(4))]).rows)
    assert (kept["reasoning_steps"], kept["difficulty"]) == (2, "2-step")


def test_candidates_without_a_solution_are_reported_and_not_chosen_by_difficulty():
    chosen = choose([row("test_0", full_solution=None), row("test_1")], "2-step=2")
    assert ids(chosen) == ["test_1"]
    assert chosen.report.n_unclassified == 1


def test_any_column_can_be_stratified_by_and_is_kept():
    rows = [row(f"train_{n}", topic="money" if n % 2 else "time") for n in range(20)]
    chosen = choose(rows, "time=3,money=2", column="topic")
    assert Counter(chosen.rows["topic"]) == {"time": 3, "money": 2}
    assert list(chosen.rows.columns) == [*DATASET_COLUMNS, "topic"]
    by_number = choose(rows, "2=5", column="reasoning_steps")
    assert len(by_number.rows) == 5


def test_another_condition_can_take_the_place_of_necessity():
    rows = [row("test_0"), row("test_1", is_right=False), failed("test_2")]
    chosen = choose(rows, "2-step=2", where={"baseline_correct": "false"})
    assert ids(chosen) == ["test_1"]


@pytest.mark.parametrize("settings", [{"column": "topic"}, {"where": {"topic": "x"}}])
def test_a_column_that_does_not_exist_is_named(settings):
    with pytest.raises(UsageError, match="where: topic"):
        choose(twenty(), "a=1", **settings)


def test_contradicting_rows_of_one_problem_are_an_error():
    with pytest.raises(RecordError, match="test_0"):
        choose([row("test_0"), row("test_0", is_right=False)], "2-step=1")


def test_a_candidate_with_the_id_of_another_existing_item_is_an_error():
    with pytest.raises(RecordError, match="existing_0"):
        choose([row("existing_0", question="Another one?")], "2-step=1", [item(0)])


def test_no_candidates_and_nothing_kept_give_an_empty_dataset_with_all_columns():
    chosen = choose([], "2-step=1")
    assert list(chosen.rows.columns) == list(DATASET_COLUMNS)
    assert len(chosen.rows) == 0
    assert chosen.report.shortage == 1


def test_what_the_total_lacks_is_reported():
    chosen = choose(twenty(), "2-step>=5,3-step>=0", total=30)
    assert len(chosen.rows) == 20
    assert chosen.report.unassigned == chosen.report.shortage == 10
    assert "10 of the total can't be had" in report_markdown(chosen.report)


def test_results_of_several_methods_are_told():
    chosen = choose([row("test_0"), row("test_1", method="explicit")], "2-step=2")
    assert "Tested in 2 ways: codi; explicit" in report_markdown(chosen.report)


def test_the_report_says_all_that_was_counted():
    document = choose(twenty(), "2-step=30", [item(0)]).report.as_dict()
    assert document["strata"] == [
        {"stratum": "2-step", "quota": "30", "target": 30, "existing": 1, "new": 20, "buffer": 0,
         "total": 21, "shortage": 9, "excess": 0}
    ]  # fmt: skip
    assert [source["source"] for source in document["sources"]] == ["train", "all"]
    assert document["seed"] == 42
    assert document["is_met"] is False


problems = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 6), st.booleans()),
    unique_by=lambda problem: problem[0],
    max_size=25,
).map(lambda drawn: [row(f"train_{n}", steps, is_right=need) for n, steps, need in drawn])
counts = st.fixed_dictionaries(
    {name: st.integers(0, 8) for name in ("2-step", "3-step", "4-step", "5+step")}
)
few = settings(max_examples=40, deadline=None)


def target_of(numbers: dict[str, int]) -> str:
    return ",".join(f"{name}={number}" for name, number in numbers.items())


@few
@given(problems, counts, st.randoms(use_true_random=False))
def test_the_choice_depends_neither_on_order_nor_on_repetition(rows, numbers, random):
    shuffled = [*rows, *random.choices(rows, k=3)] if rows else []
    random.shuffle(shuffled)
    kept = [item(n) for n in range(3)]
    once = choose(rows, target_of(numbers), kept)
    again = choose(shuffled, target_of(numbers), kept[::-1])
    pd.testing.assert_frame_equal(once.rows, again.rows)
    assert once.report == again.report


@few
@given(problems, counts, st.sampled_from(["2-step", "3-step", "4-step", "5+step"]))
def test_raising_a_target_keeps_all_that_was_chosen(rows, numbers, raised):
    small = choose(rows, target_of(numbers), [item(0, 3)])
    large = choose(rows, target_of({**numbers, raised: numbers[raised] + 3}), [item(0, 3)])
    assert set(ids(small)) <= set(ids(large))
    assert len(set(ids(large)) - set(ids(small))) <= 3


@few
@given(problems, st.integers(0, 20), st.integers(0, 10))
def test_raising_the_total_keeps_all_that_was_chosen(rows, rest, more):
    target = "2-step>=2,3-step>=1,4-step>=0,5+step=2"
    small = choose(rows, target, [item(0, 3)], total=5 + rest)
    large = choose(rows, target, [item(0, 3)], total=5 + rest + more)
    assert set(ids(small)) <= set(ids(large))


@few
@given(problems, counts, st.integers(1, 6))
def test_a_new_candidate_displaces_at_most_one_item_and_only_of_its_stratum(rows, numbers, steps):
    before = choose(rows, target_of(numbers))
    after = choose([*rows, row("test_999", steps)], target_of(numbers))
    lost, won = set(ids(before)) - set(ids(after)), set(ids(after)) - set(ids(before))
    assert won <= {"test_999"}
    assert len(lost) <= len(won)
    difficulty = {
        one["gsm8k_id"]: one["difficulty"]
        for chosen in (before, after)
        for one in records_of(chosen.rows)
    }
    assert {difficulty[id] for id in lost} <= {difficulty[id] for id in won}


@few
@given(problems, counts)
def test_every_stratum_has_its_target_or_all_that_there_is(rows, numbers):
    chosen = choose(rows, target_of(numbers))
    assert len(set(ids(chosen))) == len(chosen.rows)
    for stratum in chosen.report.strata:
        assert stratum.total == min(numbers[stratum.stratum], stratum.total + stratum.buffer)
        assert stratum.shortage == 0 or stratum.buffer == 0


def test_another_seed_gives_another_choice():
    choices = {tuple(sorted(ids(choose(twenty(), "2-step=5", seed=seed)))) for seed in range(8)}
    assert len(choices) > 4
