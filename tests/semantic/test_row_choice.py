"""Which rows are compared."""

import numpy as np

from quarry.semantic.row_choice import choose_rows

IDS = [f"gsm8k/test/{k}" for k in range(40)]
LENGTHS = np.array([5 + (k * 7) % 31 for k in range(40)])


def test_the_longest_row_is_always_among_several():
    longest = int(np.argmax(LENGTHS))
    assert all(longest in choose_rows(IDS, LENGTHS, 2, seed) for seed in range(20))


def test_other_seeds_look_at_other_rows_and_the_same_seed_at_the_same():
    chosen = [tuple(choose_rows(IDS, LENGTHS, 1, seed)) for seed in range(200)]
    assert chosen == [tuple(choose_rows(IDS, LENGTHS, 1, seed)) for seed in range(200)]
    assert len(set(chosen)) > 35


def test_more_rows_include_fewer():
    few, many = (set(choose_rows(IDS, LENGTHS, n, 3)) for n in (4, 9))
    assert few < many
    assert len(few) == 4


def test_0_or_many_means_all():
    assert choose_rows(IDS, LENGTHS, 0, 1) == choose_rows(IDS, LENGTHS, 99, 1) == list(range(40))
