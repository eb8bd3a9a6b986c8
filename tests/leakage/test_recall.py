"""How much of what was planted is found, and what is found where nothing was."""

import json
from random import Random

import pytest

from quarry.leakage.edits import EDITS
from quarry.leakage.overlap import find_overlap
from quarry.leakage.recall import measure_recall
from quarry.toy.arithmetic import arithmetic_records

FLOORS = {
    "other typesetting": 1.0,
    "5 % of words replaced": 1.0,
    "10 % of words replaced": 1.0,
    "20 % of words replaced": 0.99,
    "30 % of words replaced": 0.92,
    "a sentence added": 0.99,
    "a sentence dropped": 0.92,
    "sentences reordered": 0.99,
    "names replaced": 0.98,
    "numbers replaced": 0.98,
    "names and numbers replaced": 0.93,
    "inside a longer prompt": 1.0,
    "inside a longer prompt, 10 % of words replaced": 0.82,
}
"""Shares of planted copies of GSM8K questions that must be found."""

SIBLINGS = {"numbers replaced", "names and numbers replaced"}


def questions(path, n):
    lines = path.read_text(encoding="utf-8").splitlines()[:n]
    return {f"{path.stem}_{row}": json.loads(line)["question"] for row, line in enumerate(lines)}


def test_planted_copies_of_real_questions_are_found(shared_data):
    texts = questions(shared_data / "gsm8k/test.jsonl", 400)
    assert set(FLOORS) == set(EDITS)
    for one in measure_recall(texts, seed=1):
        assert one.n_planted > 200, one.edit
        assert one.rate >= FLOORS[one.edit], one
        is_sibling = one.edit in SIBLINGS
        leaked = one.n_leaks / one.n_planted
        assert (leaked < 0.03) if is_sibling else (leaked >= FLOORS[one.edit] - 0.03), one
        assert one.n_false <= 5, one


def test_planted_copies_of_toy_problems_are_found():
    records = arithmetic_records(0, 200, 0)["test"]
    texts = {str(row): record["question"] for row, record in enumerate(records)}
    kept = ("other typesetting", "10 % of words replaced", "inside a longer prompt")
    edits = {name: EDITS[name] for name in kept}
    found = {one.edit: one for one in measure_recall(texts, 0, edits=edits)}
    assert found["other typesetting"].n_by_kind["exact"] == 200
    assert all(one.rate == 1 for one in found.values())


def test_the_same_seed_plants_the_same_copies():
    records = arithmetic_records(0, 30, 0)["test"]
    texts = {str(row): record["question"] for row, record in enumerate(records)}
    assert list(measure_recall(texts, 3)) == list(measure_recall(texts, 3))


def test_gsm8k_does_not_leak_from_train_into_test(shared_data):
    """The pairs that are found are siblings with other numbers, read by eye."""
    test = questions(shared_data / "gsm8k/test.jsonl", None)
    found = find_overlap(test, {"train": questions(shared_data / "gsm8k/train.jsonl", None)})
    assert not [one for one in found if one.is_leak]
    assert 5 <= len({(one.item_id, one.other_id) for one in found}) <= 20


def test_published_pairs_are_told_apart_from_their_sources(shared_data):
    """Clean variants are GSM8K's questions; corrupted ones are these with another number."""
    rows = json.loads((shared_data / "cot/llama_cot_all.json").read_text(encoding="utf-8"))
    texts = {f"{row['pair_id']} {row['variant']}": row["question"] for row in rows}
    test = questions(shared_data / "gsm8k/test.jsonl", None)
    leaks = {one.item_id for one in find_overlap(texts, {"test": test}) if one.is_leak}
    assert leaks == {id_ for id_ in texts if id_.endswith("clean")}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_any_text_is_a_text(name):
    for text in ("", "One.", "5", "No end", "Tom has 1,200 eggs. Ann has 2.5. How many?"):
        assert isinstance(EDITS[name](text, Random(0)), str)
