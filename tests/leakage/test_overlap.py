"""Finding texts in other sets: what is found, how it is scored, what counts as a leak."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.leakage.near import jaccard, shingles_of
from quarry.leakage.overlap import find_overlap
from quarry.leakage.settings import OverlapSettings
from quarry.leakage.words import words_of

QUESTION = (
    "Tom has 5 apples and buys 12 more at the market near the old bridge. "
    "He gives 4 of them to Ann on the way home. How many apples does Tom have left?"
)
SIBLING = QUESTION.replace("Tom", "Mia").replace("5", "8").replace("12", "30").replace("4", "6")
STRANGER = (
    "A train leaves at noon and travels 300 km in 4 hours before it stops for lunch. "
    "What is its average speed until then?"
)
INSTRUCTION = (
    "You are given a word problem. Think about it step by step, write every calculation down, and "
    "end with the word Answer and a number. Do not use a calculator or any other tool for it."
)


def overlaps(item: str, other: str, **settings):
    return find_overlap({"ours": item}, {"set": {"theirs": other}}, OverlapSettings(**settings))


def test_the_same_text_in_other_typesetting_is_one_exact_leak():
    (found,) = overlaps(QUESTION, QUESTION.upper().replace(" ", "\n"))
    assert (found.item_id, found.set_name, found.other_id) == ("ours", "set", "theirs")
    assert (found.kind, found.score, found.is_leak, found.severity) == ("exact", 1, True, "error")


def test_strangers_do_not_overlap():
    assert overlaps(QUESTION, STRANGER) == []


def test_a_sibling_with_other_numbers_is_near_and_no_leak():
    found = {one.kind: one for one in overlaps(QUESTION, SIBLING)}
    assert "exact" not in found
    assert 0.4 <= found["near"].score < 1
    assert not any(one.is_leak or one.has_same_numbers for one in found.values())
    assert found["near"].severity == "warning"


def test_the_score_of_a_near_duplicate_is_the_exact_one():
    reworded = QUESTION.replace("buys", "purchases").replace("near the old bridge", "in town")
    (near,) = [one for one in overlaps(QUESTION, reworded) if one.kind == "near"]
    some, other = (shingles_of(words_of(text)) for text in (QUESTION, reworded))
    assert near.score == jaccard(some, other) == len(some & other) / len(some | other)
    assert near.is_leak


def test_a_question_inside_a_longer_prompt_leaks_with_all_its_n_grams():
    prompt = f"{INSTRUCTION}\n\nQuestion: {QUESTION}\n\n{STRANGER}\n{INSTRUCTION}"
    found = {one.kind: one for one in overlaps(QUESTION, prompt)}
    assert found["ngram"].score == 1
    assert found["ngram"].is_leak


def test_a_passage_in_common_is_scored_by_its_share_and_no_leak_by_itself():
    passage = " ".join(QUESTION.split()[:14])
    (found,) = overlaps(QUESTION, f"{STRANGER} {passage} {STRANGER}")
    n_grams = len(words_of(QUESTION)) - 12
    assert (found.kind, found.score) == ("ngram", 2 / n_grams)
    assert not found.is_leak


def test_a_short_text_is_found_as_a_whole_and_a_shorter_one_only_exactly():
    short, shorter = "Tom has 5 apples and eats 2 of them", "Tom has 5 apples now"
    around = f"{STRANGER} {{}} {STRANGER}"
    assert [one.kind for one in overlaps(short, around.format(short))] == ["ngram"]
    assert overlaps(short, around.format(short.replace("eats", "sells"))) == []
    assert overlaps(shorter, around.format(shorter)) == []
    assert [one.kind for one in overlaps(shorter, shorter)] == ["exact"]


def test_instructions_that_many_texts_share_are_not_compared():
    random = Random(0)
    words = ["".join(random.choices("abcdefghij", k=6)) for _ in range(2000)]
    items = {str(n): f"{INSTRUCTION} {' '.join(random.sample(words, 20))}" for n in range(30)}
    others = {str(n): f"{INSTRUCTION} {' '.join(random.sample(words, 20))}" for n in range(30)}
    body = items["7"].removeprefix(INSTRUCTION)
    reworded = " ".join([*body.split()[:-2], "something", "else"])
    others |= {"copy": body, "reworded": f"{INSTRUCTION} {reworded}"}
    found = find_overlap(items, {"set": others})
    pairs = {(one.item_id, one.other_id) for one in found}
    assert pairs == {("7", "copy"), ("7", "reworded")}
    (score,) = [one.score for one in found if (one.kind, one.other_id) == ("near", "reworded")]
    assert score == jaccard(shingles_of(words_of(body)), shingles_of(words_of(reworded)))
    compared = find_overlap(items, {"set": others}, OverlapSettings(common_texts=None))
    assert len({(one.item_id, one.other_id) for one in compared}) > 900


def test_texts_without_words_overlap_with_nothing():
    assert find_overlap({"a": "", "b": "?!"}, {"set": {"c": "", "d": "…"}}) == []
    assert find_overlap({}, {"set": {"c": QUESTION}}) == []
    assert find_overlap({"a": QUESTION}, {}) == []


def test_equal_items_are_all_reported_and_the_order_is_that_of_the_input():
    items = {"b": QUESTION, "a": QUESTION.lower(), "c": STRANGER}
    sets = {"second": {"x": STRANGER}, "first": {"y": QUESTION, "z": QUESTION}}
    found = find_overlap(items, sets)
    places = [(one.item_id, one.set_name, one.other_id) for one in found]
    expected = [(id_, "first", other) for id_ in ("b", "a") for other in ("y", "z")]
    assert places == [*expected, ("c", "second", "x")]


def test_lone_surrogates_and_nul_are_compared():
    kinds = [one.kind for one in overlaps(f"{QUESTION} \ud800\x00", f"{QUESTION} and \ud800")]
    assert kinds == ["ngram", "near"]


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_order_of_texts_and_other_sets_change_no_overlap(seed, n):
    random = Random(seed)
    pool = [" ".join(random.choices(["one", "two", "three", "4", "5"], k=9)) for _ in range(2 * n)]
    items = {f"i{row}": text for row, text in enumerate(pool[:n])}
    others = {f"o{row}": text for row, text in enumerate(pool[n:])}
    found = find_overlap(items, {"set": others})
    turned = find_overlap(
        dict(reversed(items.items())), {"more": items, "set": dict(reversed(others.items()))}
    )
    assert set(found) == {one for one in turned if one.set_name == "set"}


def test_progress_ends_at_all_texts():
    told: list[tuple[int, int]] = []
    others = {str(n): f"text {n}" for n in range(4500)}
    find_overlap(
        {"a": QUESTION}, {"one": others, "two": {"x": STRANGER}}, None, lambda *t: told.append(t)
    )
    assert told[-1] == (4501, 4501)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("near_score", 0), ("gram_words", 0), ("shortest_words", 14), ("n_bands", 0)],
)
def test_settings_that_mean_nothing_are_refused_by_name(name, value):
    with pytest.raises(UsageError, match=name):
        OverlapSettings(**{name: value})


def test_the_chance_of_being_compared_is_as_documented():
    settings = OverlapSettings()
    assert settings.chance(0.4) > 0.98
    assert settings.chance(0.5) > 0.9997
