"""pass@k and its interval."""

import itertools
from fractions import Fraction
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.statistics.pass_at_k import PassAtK, pass_at_k

SEEDED = settings(derandomize=True, deadline=None)
TASKS = st.lists(
    st.integers(3, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1,
    max_size=4,
)  # fmt: skip


def of(counts: list[tuple[int, int]], k: int) -> PassAtK:
    found = pass_at_k(counts, k)
    assert found is not None
    return found


@SEEDED
@given(TASKS, st.integers(1, 3))
def test_it_is_the_share_of_all_draws_that_hold_a_correct_answer(counts, k: int):
    shares = []
    for n, n_correct in counts:
        draws = list(itertools.combinations([True] * n_correct + [False] * (n - n_correct), k))
        shares.append(Fraction(sum(map(any, draws)), len(draws)))
    assert of(counts, k).rate == pytest.approx(float(sum(shares) / len(shares)))


def test_pass_at_1_is_the_mean_of_the_tasks_and_not_of_the_answers():
    assert of([(10, 10), (2, 0)], 1).rate == 0.5


@pytest.mark.parametrize(("counts", "k"), [([], 1), ([(5, 1), (4, 4)], 5)])
def test_it_is_not_known_without_tasks_or_with_fewer_answers_than_k(counts, k: int):
    assert pass_at_k(counts, k) is None


def test_the_interval_takes_a_task_as_its_unit():
    counts = [(4, 1), (4, 2), (4, 4), (4, 0), (4, 3)]
    rates = [0.25, 0.5, 1, 0, 0.75]
    reach = 1.959964 * stdev(rates) / 5**0.5
    found = of(counts, 1)
    assert (found.low, found.high) == pytest.approx((mean(rates) - reach, mean(rates) + reach))


def test_the_interval_stays_within_0_and_1():
    found = of([(4, 4), (4, 4), (4, 3)], 1)
    assert found.high == 1.0
    assert found.low is not None


@pytest.mark.parametrize("counts", [[(4, 1)], [(4, 1), (4, 1)], [(4, 4), (5, 5)]])
def test_too_few_or_too_similar_tasks_have_no_interval(counts):
    assert (of(counts, 1).low, of(counts, 1).high) == (None, None)


def test_many_answers_do_not_overflow():
    assert of([(5000, 1)], 100).rate == pytest.approx(0.02)


@pytest.mark.parametrize(("counts", "k"), [([(2, 3)], 1), ([(2, -1)], 1), ([(2, 1)], 0)])
def test_impossible_counts_are_refused(counts, k: int):
    with pytest.raises(UsageError, match="no such pass@k"):
        pass_at_k(counts, k)
