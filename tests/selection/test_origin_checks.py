"""A dataset against the results, kept items and source that it was made from."""

from dataclasses import replace

import pytest

from quarry.errors import RecordError
from quarry.necessity.table import COLUMNS, failed_row
from quarry.selection.columns import records_of, table_of
from quarry.selection.origin_checks import check_all_necessary
from tests.selection.right_dataset import Checked, changed, dataset_row, right_dataset
from tests.selection.test_dataset_checks import only


@pytest.fixture(scope="module")
def right() -> Checked:
    return right_dataset()


def with_result(checked: Checked, id_: str, **fields) -> Checked:
    """With another result of one problem."""
    return replace(checked, results=changed(checked.results, id_, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"ablated_correct": True, "needs_cot": False},
        {"baseline_correct": False, "needs_cot": False},
        {"ablated_correct": True, "needs_cot": True},
    ],
)
def test_a_row_that_is_not_necessary_is_found_though_it_repeats_its_result(right, fields):
    row = right.row(is_existing=False)
    both = with_result(right.changed(row["gsm8k_id"], **fields), row["gsm8k_id"], **fields)
    assert only(both, "all_necessary", "not_necessary").sample_id == row["gsm8k_id"]


def test_what_a_row_says_of_itself_is_not_trusted(right):
    row = right.row(is_existing=False)
    id_ = row["gsm8k_id"]
    lying = with_result(right, id_, ablated_correct=True, needs_cot=False)
    assert {(one.kind, one.sample_id) for one in lying.findings()} == {
        ("not_necessary", id_),
        ("other_verdict", id_),
    }


def test_a_row_whose_test_failed_is_untested(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    rows = [
        failed_row(row, "out of memory") if row["gsm8k_id"] == id_ else row
        for row in records_of(right.results)
    ]
    found = only(replace(right, results=table_of(rows, COLUMNS)), "all_necessary", "untested")
    assert found.sample_id == id_


def test_a_row_without_a_result_is_untested(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    rows = [row for row in records_of(right.results) if row["gsm8k_id"] != id_]
    found = only(replace(right, results=table_of(rows, COLUMNS)), "all_necessary", "untested")
    assert (found.sample_id, found.got) == (id_, "no result")


def test_a_test_of_another_question_under_the_same_id_is_found(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    other = with_result(right, id_, question="What is 1 and 1?")
    assert only(other, "all_necessary", "other_question").sample_id == id_


def test_a_test_with_another_answer_is_found(right):
    row = right.row(is_existing=False)
    other = with_result(right, row["gsm8k_id"], answer=row["answer"] + 1)
    assert only(other, "all_necessary", "other_answer").sample_id == row["gsm8k_id"]


def test_another_prediction_than_the_results_is_found(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    found = only(right.changed(id_, ablated_prediction=-7.0), "all_necessary", "other_verdict")
    assert "ablated_prediction -7.0" in found.got


def test_a_kept_item_that_is_not_necessary_is_found(right):
    id_ = right.row(is_existing=True)["gsm8k_id"]
    fields = {"ablated_correct": True, "needs_cot": False}
    item = replace(right.changed(id_, **fields), existing=changed(right.existing, id_, **fields))
    assert only(item, "all_necessary", "not_necessary").sample_id == id_


def test_an_older_attempt_that_failed_is_no_defect(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    result = next(row for row in records_of(right.results) if row["gsm8k_id"] == id_)
    rows = [*records_of(right.results), failed_row(result, "killed")]
    assert replace(right, results=table_of(rows, COLUMNS)).findings() == []


def test_results_that_contradict_each_other_are_refused(right):
    result = records_of(right.results)[20]
    other = result | {"ablated_correct": not result["ablated_correct"]}
    results = table_of([*records_of(right.results), other], COLUMNS)
    with pytest.raises(RecordError, match=result["gsm8k_id"]):
        check_all_necessary(right.dataset, results)


def test_a_kept_item_that_is_gone_is_named(right):
    item = right.row(is_existing=True)
    spare = right.spare(item["difficulty"])
    found = only(right.replaced(item["gsm8k_id"], spare), "existing_preserved", "lost")
    assert found.sample_id == item["gsm8k_id"]


def test_a_kept_item_without_its_mark_is_named(right):
    id_ = right.row(is_existing=True)["gsm8k_id"]
    found = [
        one
        for one in right.changed(id_, is_existing=False).findings()
        if one.check == "existing_preserved"
    ]
    assert [(one.kind, one.sample_id) for one in found] == [("not_marked", id_)]


def test_a_kept_item_with_another_question_is_named(right):
    id_ = right.row(is_existing=True)["gsm8k_id"]
    changed_one = right.changed(id_, question="How many legs do 3 spiders and 4 ants have?")
    found = only(changed_one, "existing_preserved", "changed")
    assert (found.sample_id, found.what) == (id_, "A kept item was changed: question")


def test_a_kept_item_may_get_the_solution_that_it_lacked_but_no_other(right):
    item = right.row(is_existing=True)
    solution = next(one.solution for one in right.problems if one.question == item["question"])
    assert item["full_solution"] is None
    assert right.changed(item["gsm8k_id"], full_solution=solution).findings() == []
    wrong = right.changed(item["gsm8k_id"], full_solution=f"{solution} ")
    assert only(wrong, "gold_agrees", "other_full_solution").sample_id == item["gsm8k_id"]


def test_a_new_item_that_is_marked_as_existing_is_named(right):
    id_ = right.row(is_existing=False)["gsm8k_id"]
    found = only(right.changed(id_, is_existing=True), "existing_preserved", "falsely_marked")
    assert found.sample_id == id_


@pytest.mark.parametrize(
    ("name", "value"), [("full_solution", "1+1=<<1+1=2>>2\n#### 2"), ("source", "train")]
)
def test_another_solution_or_source_than_the_sources_is_named(right, name, value):
    row = right.row(is_existing=False)
    found = only(right.changed(row["gsm8k_id"], **{name: value}), "gold_agrees", f"other_{name}")
    assert (found.sample_id, found.expected != found.got) == (row["gsm8k_id"], True)


def test_an_answer_that_results_and_dataset_have_wrong_is_named(right):
    row = right.row(is_existing=False)
    wrong = {"answer": row["answer"] + 10}
    both = with_result(right.changed(row["gsm8k_id"], **wrong), row["gsm8k_id"], **wrong)
    assert only(both, "gold_agrees", "other_answer").sample_id == row["gsm8k_id"]


@pytest.mark.parametrize("is_existing", [True, False])
def test_miscounted_steps_are_named(right, is_existing):
    row = right.row(is_existing=is_existing)
    wrong = {"reasoning_steps": row["reasoning_steps"] + 7}
    one = right.changed(row["gsm8k_id"], **wrong)
    one = (
        replace(one, existing=changed(one.existing, row["gsm8k_id"], **wrong))
        if is_existing
        else one
    )
    assert only(one, "gold_agrees", "other_reasoning_steps").sample_id == row["gsm8k_id"]


def test_a_difficulty_that_its_steps_do_not_make_is_named(right):
    row = right.row(is_existing=False)
    found = right.changed(row["gsm8k_id"], difficulty="5+step").findings()
    assert ("gold_agrees", "other_difficulty", row["gsm8k_id"]) in {
        (one.check, one.kind, one.sample_id) for one in found
    }


def test_an_item_that_the_source_does_not_have_is_named(right):
    row = right.row(is_existing=False)
    problems = tuple(one for one in right.problems if one.id != row["gsm8k_id"])
    found = only(replace(right, problems=problems), "gold_agrees", "unknown")
    assert found.sample_id == row["gsm8k_id"]


def test_kept_items_of_another_source_are_checked_by_their_own_solution(right):
    item = right.row(is_existing=True)
    problems = tuple(one for one in right.problems if one.question != item["question"])
    assert replace(right, problems=problems).findings() == []


def test_gold_answers_with_thousands_separators_agree(right):
    row = right.row(is_existing=False)
    id_, answer = row["gsm8k_id"], 1200.0
    one = with_result(right.changed(id_, answer=answer), id_, answer=answer)
    problems = tuple(
        replace(problem, answer="1,200") if problem.id == id_ else problem
        for problem in one.problems
    )
    assert replace(one, problems=problems).findings() == []


def test_all_fields_of_a_row_come_from_its_result(right):
    ids = {row["gsm8k_id"]: row for row in records_of(right.results)}
    row = right.row(is_existing=False)
    assert dataset_row(ids[row["gsm8k_id"]]) == row
