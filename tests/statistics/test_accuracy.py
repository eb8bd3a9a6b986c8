"""Accuracies and their intervals."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.statistics.accuracy import Interval, accuracy

SEEDED = settings(derandomize=True, deadline=None)
COUNTS = st.integers(1, 700).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def interval_of(n_correct: int, n: int) -> Interval:
    interval = accuracy(n_correct, n)
    assert interval is not None
    return interval


@pytest.mark.parametrize(
    ("n_correct", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_ends_are_those_of_newcombes_table(n_correct: int, n: int, low: float, high: float):
    """R. G. Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3."""
    interval = interval_of(n_correct, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@SEEDED
@given(COUNTS)
def test_the_share_lies_within_and_the_ends_within_0_and_1(counts: tuple[int, int]):
    interval = interval_of(*counts)
    assert 0 <= interval.low <= interval.rate <= interval.high <= 1
    assert interval.low < interval.high


@SEEDED
@given(COUNTS)
def test_right_and_wrong_are_mirror_images(counts: tuple[int, int]):
    n_correct, n = counts
    there, back = interval_of(n_correct, n), interval_of(n - n_correct, n)
    assert (there.low, there.high) == pytest.approx((1 - back.high, 1 - back.low), abs=1e-12)


@SEEDED
@given(COUNTS)
def test_each_end_is_a_share_that_a_score_test_just_refuses(counts: tuple[int, int]):
    interval = interval_of(*counts)
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            error = math.sqrt(end * (1 - end) / interval.n)
            assert abs(interval.rate - end) / error == pytest.approx(1.959964, abs=1e-5)


def coverage(n: int, share: float) -> float:
    """The exact probability that the interval holds the true share."""
    return math.fsum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(n + 1)
        if (found := interval_of(k, n)).low <= share <= found.high
    )


@pytest.mark.parametrize("n", [8, 40, 164])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(n: int):
    shares = [index / 200 + 0.0025 for index in range(10, 190)]
    covered = [coverage(n, share) for share in shares]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.01)
    assert min(covered) > 0.88


@SEEDED
@given(COUNTS, st.integers(2, 9))
def test_more_rows_at_the_same_share_are_more_certain(counts: tuple[int, int], times: int):
    n_correct, n = counts
    few, many = interval_of(n_correct, n), interval_of(times * n_correct, times * n)
    assert many.high - many.low < few.high - few.low


def test_a_higher_level_is_a_wider_interval():
    ends = [accuracy(9, 40, confidence=level) for level in (0.8, 0.95, 0.99)]
    widths = [end.high - end.low for end in ends if end]
    assert widths == sorted(widths)
    assert len(set(widths)) == 3


def test_of_nothing_there_is_no_share():
    assert accuracy(0, 0) is None


@pytest.mark.parametrize(
    ("n_correct", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)]
)
def test_counts_that_contradict_each_other_are_refused(n_correct, n, confidence):
    with pytest.raises(UsageError, match="There is no such share"):
        accuracy(n_correct, n, confidence=confidence)


def test_a_person_reads_it_in_percent():
    interval = interval_of(63, 500)
    assert interval.range_text == "10.0-15.8%"
    assert interval.as_dict() == {
        "n_correct": 63,
        "n": 500,
        "rate": 0.126,
        "low": interval.low,
        "high": interval.high,
        "confidence": 0.95,
    }
