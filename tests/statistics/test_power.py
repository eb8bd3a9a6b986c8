"""Power of comparisons, against published tables and figures of SciPy 1.17.1."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.statistics.power import power, rows_lacking, smallest_effect
from quarry.statistics.student import critical_value

SIZES = st.integers(2, 300)


@pytest.mark.parametrize(
    ("degrees", "alpha", "expected"),
    [
        (1, 0.05, 12.706),
        (2, 0.05, 4.303),
        (10, 0.05, 2.228),
        (30, 0.05, 2.042),
        (120, 0.05, 1.980),
        (10, 0.01, 3.169),
        (3, 0.001, 12.924),
        (1_000_000, 0.05, 1.960),
    ],
)
def test_critical_values_are_those_of_every_textbook(degrees, alpha, expected):
    assert critical_value(degrees, alpha) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("effect", "alpha", "n"),
    [
        (0.2, 0.01, 586),
        (0.5, 0.01, 95),
        (0.8, 0.01, 38),
        (0.2, 0.05, 393),
        (0.5, 0.05, 64),
        (0.8, 0.05, 26),
        (0.2, 0.10, 310),
        (0.5, 0.10, 50),
        (0.8, 0.10, 20),
    ],
)
def test_cohens_sample_sizes_have_a_power_of_80_percent(effect, alpha, n):
    """J. Cohen (1992), A power primer, Psychological Bulletin 112, 155-159, table 2."""
    assert round(power(effect, n, n, alpha=alpha), 2) in {0.80, 0.81}
    assert power(effect, n - 2, n - 2, alpha=alpha) < 0.8


@pytest.mark.parametrize(
    ("n_one", "n_other", "powers", "smallest"),
    [
        (63, 437, (0.3163478034, 0.9593384697, 0.9999632802), 0.378283),
        (25, 475, (0.1634610782, 0.6815540955, 0.9732723501), 0.575984),
        (7, 33, (0.0755111893, 0.2160332205, 0.4657484934), 1.196326),
        (20, 20, (0.0945673276, 0.3379390289, 0.6934041966), 0.909129),
        (5, 6, (0.0601393591, 0.1148395186, 0.2194999140), 1.907197),
        (2, 10, (0.0563182422, 0.0901314400, 0.1548693879), 2.408971),
    ],
)
def test_unequal_and_tiny_groups_agree_with_the_noncentral_t_of_scipy(
    n_one, n_other, powers, smallest
):
    found = [power(effect, n_one, n_other, alpha=0.05) for effect in (0.2, 0.5, 0.8)]
    assert found == pytest.approx(powers, abs=1e-9)
    assert smallest_effect(n_one, n_other, alpha=0.05, wanted=0.8) == pytest.approx(
        smallest, abs=1e-6
    )


def test_simulated_t_tests_reject_as_often_as_said():
    rng, n_one, n_other, effect, n_trials = random.Random(5), 6, 14, 1.3, 4000
    critical = critical_value(n_one + n_other - 2, 0.05)
    n_rejected = 0
    for _ in range(n_trials):
        one = [rng.gauss(effect, 1) for _ in range(n_one)]
        other = [rng.gauss(0, 1) for _ in range(n_other)]
        means = sum(one) / n_one, sum(other) / n_other
        squares = sum((x - means[0]) ** 2 for x in one) + sum((x - means[1]) ** 2 for x in other)
        error = math.sqrt(squares / (n_one + n_other - 2) * (1 / n_one + 1 / n_other))
        n_rejected += abs(means[0] - means[1]) / error > critical
    assert n_rejected / n_trials == pytest.approx(power(effect, 6, 14, alpha=0.05), abs=0.03)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(SIZES, SIZES, st.sampled_from([0.001, 0.01, 0.05, 0.2]))
def test_without_an_effect_a_test_rejects_as_often_as_its_level(one, other, alpha):
    assert power(0.0, one, other, alpha=alpha) == pytest.approx(alpha, abs=1e-9)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(SIZES, SIZES, st.floats(0.05, 3))
def test_power_grows_with_rows_and_effect_and_does_not_mind_order_or_sign(one, other, effect):
    here = power(effect, one, other, alpha=0.05)
    assert here == power(-effect, other, one, alpha=0.05)
    assert power(effect, one + 5, other, alpha=0.05) >= here - 1e-12
    assert power(effect + 0.1, one, other, alpha=0.05) >= here - 1e-12


@settings(max_examples=40, derandomize=True, deadline=None)
@given(SIZES, SIZES)
def test_the_smallest_effect_has_exactly_the_wanted_power(one, other):
    effect = smallest_effect(one, other, alpha=0.05, wanted=0.8)
    assert effect is not None
    assert power(effect, one, other, alpha=0.05) == pytest.approx(0.8, abs=1e-9)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 500), (1, 499), (500, 1)])
def test_a_class_of_fewer_than_two_rows_shows_nothing(one, other):
    assert power(9.0, one, other, alpha=0.05) == 0
    assert smallest_effect(one, other, alpha=0.05, wanted=0.8) is None


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.3, 0.5, 1.0]))
def test_the_lacking_rows_are_enough_and_one_less_is_not(one, other, effect):
    asked = {"effect": effect, "alpha": 0.05, "wanted": 0.8}
    more_one, more_other = rows_lacking(one, other, **asked)
    assert min(more_one, more_other) >= 0
    n_one, n_other = one + more_one, other + more_other
    assert power(effect, n_one, n_other, alpha=0.05) >= 0.8
    if more_one or more_other:
        one_less = n_one - bool(more_one), n_other - bool(more_other)
        assert power(effect, *one_less, alpha=0.05) < 0.8


@pytest.mark.parametrize(
    ("one", "other", "lacking"),
    [(64, 64, (0, 0)), (25, 475, (9, 0)), (475, 25, (0, 9)), (7, 33, (57, 31)), (0, 100, (47, 0))],
)
def test_the_smaller_class_grows_first_and_both_where_that_can_not_be_enough(one, other, lacking):
    assert rows_lacking(one, other, effect=0.5, alpha=0.05, wanted=0.8) == lacking
