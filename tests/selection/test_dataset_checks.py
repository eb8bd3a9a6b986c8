"""Every check of a dataset, with every defect planted in one that is otherwise right."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.leakage.edits import EDITS
from quarry.selection.columns import records_of, table_of
from quarry.selection.dataset_checks import check_no_leakage, check_targets_met, check_unique
from quarry.selection.quotas import StrataSpec, parse_quotas
from quarry.selection.row_findings import MOST_LISTED
from tests.selection.right_dataset import Checked, changed, right_dataset


@pytest.fixture(scope="module")
def right() -> Checked:
    return right_dataset()


def only(checked: Checked, check: str, kind: str):
    """The finding, where all checks together have no other one."""
    found = checked.findings()
    assert [(one.check, one.kind) for one in found] == [(check, kind)]
    return found[0]


def test_a_right_dataset_has_no_findings(right):
    rows = records_of(right.dataset)
    assert sum(row["is_existing"] for row in rows) == 12
    assert len(rows) == 22
    assert right.findings() == []


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from(
        [
            ("2-step=20,3-step=10", None),
            ("2-step=50%,3-step=25%,4-step=25%", 40),
            ("2-step>=10,3-step>=5,4-step=8", 60),
            ("2-step=0,3-step=0,4-step=0,5+step=0", None),
        ]
    ),
)
def test_whatever_is_drawn_has_no_finding_but_the_shortage_that_was_reported(seed, asked):
    drawn = right_dataset(seed, *asked)
    found = {(one.check, one.kind) for one in drawn.findings()}
    assert found == (set() if drawn.is_met else {("targets_met", "shortage")})


def test_a_lost_new_item_is_a_shortage_of_its_stratum(right):
    lost = right.row(is_existing=False)
    rows = [row for row in records_of(right.dataset) if row["gsm8k_id"] != lost["gsm8k_id"]]
    found = only(
        replace(right, dataset=table_of(rows, right.dataset.columns)), "targets_met", "shortage"
    )
    assert found.where == f"difficulty {lost['difficulty']}"


def test_a_new_item_too_many_is_a_surplus_of_its_stratum(right):
    rows = [*records_of(right.dataset), right.spare("3-step")]
    found = only(
        replace(right, dataset=table_of(rows, right.dataset.columns)), "targets_met", "surplus"
    )
    assert found.where == "difficulty 3-step"
    assert found.expected == "6"


def test_existing_items_beyond_a_target_are_no_surplus(right):
    kept = sum(row["difficulty"] == "2-step" for row in records_of(right.existing))
    assert kept > 2
    assert right_dataset(targets="2-step=2,3-step=6,4-step=4").findings() == []


def test_least_numbers_that_do_not_reach_the_total_are_a_shortage(right):
    spec = StrataSpec(parse_quotas("2-step>=1,3-step>=1,4-step=4"), total=30, seed=0)
    (found,) = check_targets_met(right.dataset, spec)
    assert (found.kind, found.expected, found.got) == ("shortage", "26 together", "18")


def test_a_new_item_without_a_stratum_is_named(right):
    row = right.row(is_existing=False)
    spec = StrataSpec(tuple(q for q in right.spec.quotas if q.stratum != row["difficulty"]))
    found = check_targets_met(right.dataset, spec)
    assert {one.kind for one in found} == {"no_target"}
    assert row["gsm8k_id"] in {one.sample_id for one in found}


def test_a_row_that_is_there_twice_is_named(right):
    first, second = right.two_new_rows()
    found = only(
        right.replaced(second["gsm8k_id"], first), "ids_and_questions_unique", "repeated_id"
    )
    assert found.sample_id == first["gsm8k_id"]


def test_two_ids_of_one_question_in_other_typesetting_are_named(right):
    first, second = right.two_new_rows()
    copy = first | {"gsm8k_id": second["gsm8k_id"]}
    copy["question"] = first["question"].upper().replace(" ", "  ")
    found = check_unique(right.replaced(second["gsm8k_id"], copy).dataset)
    assert [one.kind for one in found] == ["repeated_question"]
    assert {first["gsm8k_id"], second["gsm8k_id"]} == set(found[0].got.split(", "))


@pytest.mark.parametrize("edit", ["other typesetting", "inside a longer prompt"])
def test_a_question_of_an_evaluation_set_is_a_leak(right, edit):
    row = right.row(is_existing=False)
    copy = EDITS[edit](row["question"], Random(1))
    found = check_no_leakage(right.dataset, {"held out": {"eval_7": copy}})
    leaks = [one for one in found if one.severity == "error"]
    assert [one.sample_id for one in leaks] == [row["gsm8k_id"]]
    assert "held out" in leaks[0].what
    assert "eval_7" in leaks[0].got


def test_planted_leakage_is_the_only_finding_of_all_checks(right):
    row = right.row(is_existing=True)
    sets = {"rivers": right.evaluation_sets["evaluation"] | {"eval_9": row["question"].lower()}}
    found = replace(right, evaluation_sets=sets).findings()
    leaks = [one for one in found if one.severity == "error"]
    assert [(one.check, one.kind, one.sample_id) for one in leaks] == [
        ("no_leakage", "exact", row["gsm8k_id"])
    ]
    assert {one.check for one in found} == {"no_leakage"}


def test_a_sibling_in_an_evaluation_set_is_a_warning(right):
    question = (
        "A baker sells 12 loaves in the morning and 30 rolls in the afternoon, each roll for "
        "2 dollars and each loaf for 5. How much does the baker earn?"
    )
    dataset = changed(right.dataset, right.row(is_existing=False)["gsm8k_id"], question=question)
    sibling = question.replace("12", "9").replace("30", "44")
    found = check_no_leakage(dataset, {"held out": {"eval_0": sibling}})
    assert [one.severity for one in found] == ["warning"]


def test_many_findings_are_counted_and_not_all_listed(right):
    sets = {"all": {row["gsm8k_id"]: row["question"] for row in records_of(right.dataset)}}
    leaks = [one for one in check_no_leakage(right.dataset, sets) if one.severity == "error"]
    assert len(leaks) == MOST_LISTED + 1
    assert leaks[-1].kind == "more"
    assert leaks[-1].what.startswith("2 more")
    assert leaks[-1].got == "22 in all"
