"""Quotas: how they are written, what they come to, and that more never takes anything away."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.selection.apportionment import apportion
from quarry.selection.quotas import (
    Quota,
    StrataSpec,
    parse_quotas,
    quotas_of_mapping,
    stratum_name,
)


def spec(text: str, total: int | None = None) -> StrataSpec:
    return StrataSpec(parse_quotas(text), total)


def test_the_targets_of_the_write_up_are_read_in_their_order():
    targets = spec("2-step=150,3-step=150,4-step=100,5+step=50")
    assert targets.resolve() == {"2-step": 150, "3-step": 150, "4-step": 100, "5+step": 50}
    assert targets.strata == ("2-step", "3-step", "4-step", "5+step")


@pytest.mark.parametrize(
    ("text", "quotas"),
    [
        (
            " a = 1 , b>= 2 ",
            [Quota("a", "count", Fraction(1)), Quota("b", "at_least", Fraction(2))],
        ),
        ("5+step>=0", [Quota("5+step", "at_least", Fraction(0))]),
        ("a≥7", [Quota("a", "at_least", Fraction(7))]),
        ("two words=12.5%", [Quota("two words", "share", Fraction(1, 8))]),
    ],
)
def test_counts_shares_and_least_numbers_are_read(text, quotas):
    assert list(parse_quotas(text)) == quotas


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2-step", "'2-step'"),
        ("a=1,,b=2", "''"),
        ("", "''"),
        ("=5", "'=5'"),
        ("a==5", "'a==5'"),
        ("a>5", "'a>5'"),
        ("a=1,b=many", "'many'"),
        ("a=1,b=-2", "'-2'"),
        ("a=1.5", "'1.5'"),
        ("a>=5%", "'>=5%'"),
        ("a=101%", "'101%'"),
        ("a=", "''"),
        ("a=9999999999", "'9999999999'"),
    ],
)
def test_the_part_that_cannot_be_read_is_named(text, named):
    with pytest.raises(UsageError) as caught:
        parse_quotas(text)
    assert caught.value.got == named
    assert caught.value.fix


@pytest.mark.parametrize("amount", [True, None, 0.25, [150], "1_000", "150 items"])
def test_a_catalog_mapping_takes_numbers_and_texts_only(amount):
    with pytest.raises(UsageError, match="stratum '3-step'"):
        quotas_of_mapping({"2-step": 150, "3-step": amount})


def test_a_catalog_mapping_may_name_numbers_and_flags_as_strata():
    quotas = quotas_of_mapping({3: 10, True: "25%", "x": ">=5"})
    assert [(q.stratum, str(q)) for q in quotas] == [("3", "10"), ("true", "25%"), ("x", ">=5")]
    assert [stratum_name(value) for value in (3, 3.0, True, "x", None, float("nan"))] == [
        "3", "3", "true", "x", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "total", "what"),
    [
        ("a=1,a=2", None, "two targets"),
        ("a=25%", None, "needs a total"),
        ("a>=5", None, "needs a total"),
        ("a=5,b=6", 10, "don't come to the total"),
        ("a=5,b=4", 10, "don't come to the total"),
        ("a=60%,b=50%", 100, "don't come to the total"),
        ("a=50%", 100, "don't come to the total"),
        ("a>=8,b>=8", 15, "don't come to the total"),
        ("a=5", -5, "out of range"),
        ("a>=5", 10**9, "out of range"),
    ],
)
def test_targets_that_do_not_fit_together_are_refused(text, total, what):
    with pytest.raises(UsageError, match=what):
        spec(text, total)


def test_no_target_at_all_is_refused():
    with pytest.raises(UsageError, match="no target"):
        StrataSpec(())


def test_shares_and_least_numbers_fill_the_total():
    assert spec("a=25%,b=25%,c=25%,d=25%", 1000).resolve() == dict.fromkeys("abcd", 250)
    assert spec("a=50,b=25%,c>=150,d>=100", 1000).resolve() == {
        "a": 50,
        "b": 250,
        "c": 420,
        "d": 280,
    }


def test_a_least_number_rises_above_the_items_that_are_kept_and_not_above_those_there_are():
    mixed = spec("a>=10,b>=10", 60)
    assert mixed.resolve({"a": 40}) == {"a": 40, "b": 20}
    assert mixed.resolve({}, {"a": 15, "b": 100}) == {"a": 15, "b": 45}
    assert mixed.resolve({}, {"a": 15, "b": 20}) == {"a": 15, "b": 20}


def test_what_a_stratum_lacks_to_its_own_target_is_asked_of_no_other():
    assert spec("a>=30,b>=10", 60).resolve({}, {"a": 5, "b": 100}) == {"a": 30, "b": 30}


def test_seats_go_by_websters_method_which_favours_neither_large_nor_small():
    shares = {"a": Fraction(7, 10), "b": Fraction(3, 10)}
    assert [apportion(n, shares) for n in range(1, 5)] == [
        {"a": 1, "b": 0},
        {"a": 1, "b": 1},
        {"a": 2, "b": 1},
        {"a": 3, "b": 1},
    ]


names = st.sampled_from("abcdef")
weights = st.dictionaries(names, st.fractions(0, 1, max_denominator=1000), min_size=1)


@given(weights, st.integers(0, 300), st.integers(0, 20))
def test_more_seats_never_take_one_away(weights, seats, more):
    fewer, larger = apportion(seats, weights), apportion(seats + more, weights)
    assert all(fewer[name] <= larger[name] for name in weights)
    assert sum(fewer.values()) == (seats if any(weights.values()) else 0)


@given(weights, st.integers(1, 300))
def test_seats_are_in_proportion(weights, seats):
    whole = sum(weights.values())
    assume(whole)
    got = apportion(seats, weights)
    # Webster's method may miss the exact share by more than one only with many names
    assert all(abs(got[name] - weights[name] / whole * seats) < 2 for name in weights)


@given(
    st.dictionaries(names, st.integers(0, 40), min_size=1),
    st.dictionaries(names, st.integers(0, 60)),
    st.dictionaries(names, st.integers(0, 60)),
    st.integers(0, 200),
    st.integers(0, 50),
)
def test_a_larger_total_never_makes_a_stratum_smaller(least, kept, more_there, rest, more):
    quotas = quotas_of_mapping({name: f">={number}" for name, number in least.items()})
    there = {name: kept.get(name, 0) + more_there.get(name, 0) for name in least}
    small = StrataSpec(quotas, sum(least.values()) + rest).resolve(kept, there)
    large = StrataSpec(quotas, sum(least.values()) + rest + more).resolve(kept, there)
    assert all(small[name] <= large[name] for name in least)
    assert all(small[name] >= max(least[name], kept.get(name, 0)) for name in least)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 500), st.integers(0, 9))
def test_shares_come_to_the_total_and_grow_with_it(parts, total, more):
    shares = [Fraction(part, sum(parts)) for part in parts]
    quotas = tuple(Quota(str(n), "share", share) for n, share in enumerate(shares))
    small, large = (StrataSpec(quotas, n).resolve() for n in (total, total + more))
    assert sum(small.values()) == total
    assert all(small[name] <= large[name] for name in small)
