"""What the class sizes of cells and of sets of tasks can show."""

import pytest

from quarry.audit.cell import AuditCell, CellStatus, LabelCounts, decide
from quarry.audit.comparisons import Comparison, compare
from quarry.audit.usable import Usable, find_usable
from quarry.audit.usable_texts import task_set_text, too_few_text, transfer_set_text
from quarry.catalog import Thresholds
from quarry.keys import TrajectoryKey

MEDIUM = Thresholds()


def cell(task: str = "gsm8k", model: str = "a", **verdicts: int) -> AuditCell:
    return decide(TrajectoryKey(model, task, 0), size_bytes=1, labels=LabelCounts(verdicts))


def comparison(**verdicts: int) -> Comparison:
    found = compare(cell("gsm8k", "a", **verdicts), MEDIUM)
    assert found is not None
    return found


def usable(*cells: AuditCell, thresholds: Thresholds = MEDIUM) -> Usable:
    return find_usable(cells, thresholds)


def test_two_classes_of_64_just_show_a_medium_difference():
    enough = comparison(correct=64, incorrect=64)
    assert enough.is_enough
    assert enough.smallest_effect == pytest.approx(0.4992, abs=1e-3)
    assert enough.power_at[0.5] == pytest.approx(0.8015, abs=1e-4)
    short = comparison(correct=63, incorrect=63)
    assert not short.is_enough
    assert short.lacking_text == "1 more correct, 1 more incorrect"


def test_only_incorrect_rows_are_the_other_class():
    counted = comparison(correct=100, incorrect=30, no_answer=200, truncated=90, timeout=5, error=2)
    assert (counted.n_correct, counted.n_incorrect) == (100, 30)
    assert counted.lacking_text == "17 more incorrect"


def test_a_class_of_one_row_has_no_smallest_effect_and_says_what_it_lacks():
    lone = comparison(correct=1, incorrect=300)
    assert lone.smallest_effect is None
    assert set(lone.power_at.values()) == {0.0}
    assert lone.as_dict()["smallest_effect"] is None
    assert lone.lacking_text == "35 more correct"
    assert too_few_text(lone) == "gsm8k 0-shot a: 35 more correct"


def test_a_cell_without_usable_labels_is_not_compared():
    missing = decide(TrajectoryKey("a", "gsm8k", 0), size_bytes=None)
    assert compare(missing, MEDIUM) is None
    assert usable(missing).comparisons == ()


def test_h1_lists_what_can_show_the_effect_and_apart_what_has_too_few_rows():
    found = usable(cell(correct=63, incorrect=437), cell(model="b", correct=7, incorrect=33))
    (entry,) = found.h1
    assert [one.key.model for one in entry.comparisons] == ["a"]
    assert [one.key.model for one in found.too_few] == ["b"]
    assert task_set_text(entry, [0]) == "gsm8k: 1 file (0-shot: a d >= 0.38)"
    assert too_few_text(entry.too_few[0]) == (
        "gsm8k 0-shot b: 57 more correct, 31 more incorrect (d >= 1.20)"
    )


def test_a_cell_that_is_not_ok_is_neither_usable_nor_too_few_but_its_power_is_told():
    imbalanced = cell(correct=90, incorrect=4000)
    undecided = cell(model="b", correct=6, incorrect=158)
    assert [imbalanced.status, undecided.status] == [CellStatus.IMBALANCED, CellStatus.UNDECIDED]
    found = usable(imbalanced, undecided)
    assert found.h1[0].keys == ()
    assert found.too_few == ()
    assert [one.is_enough for one in found.comparisons] == [True, False]


def test_a_set_of_tasks_shows_no_less_than_its_weakest_task():
    found = usable(
        cell("gsm8k", correct=63, incorrect=437),
        cell("logiqa", correct=200, incorrect=300),
        cell("humaneval", correct=19, incorrect=145),
    )
    (entry,) = found.h2
    assert entry.tasks == ("gsm8k", "logiqa")
    assert entry.lacking == ("humaneval",)
    assert entry.weakest.key.task == "gsm8k"
    assert transfer_set_text(entry) == (
        "0-shot a: gsm8k, logiqa (d >= 0.38 in each; lacks humaneval)"
    )


def test_the_catalog_says_which_effect_matters_and_how_strict_the_test_is():
    one = cell(correct=19, incorrect=145)
    assert usable(one).too_few
    assert not usable(one, thresholds=Thresholds(effect_of_interest=0.7)).too_few
    strict = Thresholds(effect_of_interest=0.7, alpha=0.05 / 24)
    assert usable(one, thresholds=strict).too_few
    assert usable(one, thresholds=Thresholds(effect_of_interest=0.7, power=0.95)).too_few
