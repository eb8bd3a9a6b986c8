"""What counts as the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.leakage.words import have_same_numbers, normalised, words_of

SAME = [
    ("Janet\u2019s ducks lay 16 eggs.", "JANET'S  ducks\nlay 16 eggs"),
    ("It costs $1,200 in all!", "it costs 1200, in all"),
    ("a half-full jar — of jam", "A half full jar of jam"),
    ("5 \u00d7 3 = 15", "5 * 3 = 15"),
    ("It is 4\u00a0km away", "it is 4 km away"),
    ("\ufb01ne c\u200bat, caf\u00e9", "fine cat cafe\u0301"),
    ("> quoted and **bold**", "quoted and bold"),
    ("-4 and \u22124", "-4, and -4"),
]
OTHER = [
    ("He has 5 apples", "He has 7 apples"),
    ("He has 1.5 apples", "He has 15 apples"),
    ("What is 5 + 3?", "What is 5 - 3?"),
    ("What is x + 3?", "What is x - 3?"),
    ("What is x < y?", "What is x > y?"),
    ("a gain of 5%", "a gain of 5"),
    ("It is 4 degrees", "It is -4 degrees"),
    ("12 and 3", "1 and 23"),
    ("小明有5個", "小红有5個"),
]


@pytest.mark.parametrize(("some", "other"), SAME)
def test_texts_that_differ_in_typesetting_only_are_the_same(some, other):
    assert normalised(some) == normalised(other) != ""


@pytest.mark.parametrize(("some", "other"), OTHER)
def test_texts_that_differ_in_a_number_or_a_sign_are_not(some, other):
    assert normalised(some) != normalised(other)


def test_scripts_without_spaces_are_words_of_one_character():
    assert words_of("小明有5個") == ["小", "明", "有", "5", "個"]


@given(st.text())
def test_every_text_has_words_and_they_have_the_same_words_again(text):
    once = normalised(text)
    assert once == " ".join(once.split())
    assert normalised(text.replace(" ", " \n ")) == once


@pytest.mark.parametrize("hostile", ["\ud800", "\x00 \x1b", "", " ", "1" * 5000, "," * 5000])
def test_hostile_texts_are_read(hostile):
    assert isinstance(words_of(hostile), list)


def test_numbers_of_a_part_are_among_those_of_the_whole():
    assert have_same_numbers(["5", "apples"], ["5", "pears", "7"])
    assert have_same_numbers(["5", "pears", "7"], ["7"])
    assert not have_same_numbers(["5", "apples"], ["7", "apples"])
    assert not have_same_numbers(["5", "5", "1"], ["5", "1", "1"])
