"""Comparing what a page shows with what was printed."""

from tests.guide.expectations import unseen

PRINTED = "Collecting\n  ok     gsm8k-0shot|demo_base    6.7 s   (1/4)\n| a     | 8/40 (20.0%) |\n"


def test_other_numbers_and_spaces_are_the_same():
    shown = ["  ok  gsm8k-0shot|demo_base  12.25 s (1/4)", "| a | 13/40 (32.5%) |"]
    assert unseen(shown, PRINTED) == []


def test_what_is_left_out_may_be_anything():
    assert unseen(["…", "  ok …|demo_base …", "…"], PRINTED) == []


def test_other_words_and_another_order_are_noticed():
    assert unseen(["  failed gsm8k-0shot|demo_base 6.7 s (1/4)"], PRINTED) != []
    assert unseen(["| a | 8/40 (20.0%) |", "Collecting"], PRINTED) == ["Collecting"]


def test_a_part_of_a_line_is_not_the_line():
    assert unseen(["Collect"], PRINTED) == ["Collect"]


def test_colours_are_not_words():
    assert unseen(["ok 1 s"], "\x1b[32mok\x1b[0m 2 s") == []
