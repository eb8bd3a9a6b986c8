"""The rule that decides whether a share of correct rows is balanced."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quarry.catalog import Thresholds
from quarry.statistics.accuracy import accuracy
from quarry.statistics.balance import Balance, BalanceState, judge_balance

LARGEST = 300
BOUNDS = Thresholds(small_sample=LARGEST)
SEEDED = settings(derandomize=True, deadline=None)
COUNTS = st.integers(2, 600).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


def judged(n_correct: int, n: int, bounds: Thresholds = BOUNDS) -> Balance:
    balance = judge_balance(n_correct, n, bounds)
    assert balance is not None
    return balance


@pytest.mark.parametrize(
    ("n_correct", "n", "state"),
    [
        (2, 40, BalanceState.BALANCED),
        (1, 40, BalanceState.UNDECIDED),
        (0, 40, BalanceState.TOO_FEW),
        (39, 40, BalanceState.UNDECIDED),
        (40, 40, BalanceState.TOO_MANY),
        (1, 1, BalanceState.TOO_MANY),
        (6, 164, BalanceState.UNDECIDED),
        (2, 164, BalanceState.TOO_FEW),
        (162, 164, BalanceState.TOO_MANY),
        (14, 299, BalanceState.UNDECIDED),
        (14, 300, BalanceState.TOO_FEW),
        (15, 300, BalanceState.BALANCED),
        (286, 300, BalanceState.TOO_MANY),
        (24, 500, BalanceState.TOO_FEW),
        (25, 500, BalanceState.BALANCED),
    ],
)
def test_few_rows_leave_open_what_many_decide(n_correct, n, state):
    assert judged(n_correct, n).state is state


def test_nothing_graded_is_no_balance():
    assert judge_balance(0, 0, BOUNDS) is None


def test_an_open_share_says_how_far_it_is_open_and_what_would_decide():
    balance = judged(6, 164)
    assert balance.n_more == LARGEST - 164
    assert balance.note == (
        "under 5% correct, but 164 rows leave 1.7-7.8% open; 136 more would decide"
    )
    assert judged(39, 40).note.startswith("over 95% correct, but 40 rows leave 87.1-99.6% open")


@SEEDED
@given(COUNTS)
def test_only_a_share_beyond_a_bound_can_be_anything_but_balanced(counts: tuple[int, int]):
    n_correct, n = counts
    is_within = 0.05 <= n_correct / n <= 0.95
    assert (judged(n_correct, n).state is BalanceState.BALANCED) == is_within


@SEEDED
@given(COUNTS)
def test_right_and_wrong_are_treated_alike(counts: tuple[int, int]):
    n_correct, n = counts
    mirrored = {
        BalanceState.TOO_FEW: BalanceState.TOO_MANY,
        BalanceState.TOO_MANY: BalanceState.TOO_FEW,
    }
    # 0.05 and 1 - 0.95 are not the same floating-point number
    bounds = Thresholds(min_correct_rate=0.125, max_correct_rate=0.875)
    there = judged(n_correct, n, bounds)
    back = judged(n - n_correct, n, bounds)
    assert back.state is mirrored.get(there.state, there.state)
    assert back.n_more == there.n_more


@SEEDED
@given(st.integers(1, 14), st.integers(0, 40), st.integers(2, 40))
def test_so_many_more_rows_at_the_same_share_decide(n_correct: int, further: int, times: int):
    n, unbounded = 20 * n_correct + 1 + further, Thresholds(small_sample=10**9)
    open_one = judged(n_correct, n, unbounded)
    assume(open_one.state is BalanceState.UNDECIDED)
    later = judged(times * n_correct, times * n, unbounded)
    is_decided = times * n >= n + open_one.n_more
    assert (later.state is not BalanceState.UNDECIDED) == is_decided


def test_without_small_samples_the_share_alone_decides():
    assert judged(1, 40, Thresholds(small_sample=0)).state is BalanceState.TOO_FEW


def test_the_default_is_where_the_interval_at_5_percent_reaches_2_5_points():
    interval = accuracy(round(0.05 * Thresholds().small_sample), Thresholds().small_sample)
    assert interval is not None
    assert (interval.high - interval.low) / 2 == pytest.approx(0.025, abs=0.001)
