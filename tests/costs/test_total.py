"""Sums of estimates, and how amounts are written."""

import pytest

from quarry.costs.estimate import catalog_default
from quarry.costs.span import Span, amount_text
from quarry.costs.total import Total, total_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.001, "< 0.01"),
        (0.0123, "0.0123"),
        (4.5, "4.5"),
        (10, "10"),
        (123.4, "123"),
        (999.6, "1,000"),
        (1240.2, "1,240"),
    ],
)
def test_amounts_have_three_digits(value: float, text: str):
    assert amount_text(value) == text


def test_a_range_is_shown_where_there_is_one():
    assert Span.exactly(4.5).text == "4.5"
    assert Span(3, 4.5, 6).text == "4.5 (3-6)"
    assert Span(0.001, 0.002, 0.003).text == "< 0.01"


def test_nothing_costs_nothing():
    total = total_of([])
    assert (total, total.n_cells, total.dollars, total.wall_text) == (Total(), 0, None, "")


def test_cells_add_up_one_after_another_and_bases_are_counted():
    unknown = catalog_default(0.0)
    total = total_of([catalog_default(1.5), unknown, catalog_default(3.0, n_devices=2)], 2.0)
    assert total.gpu_hours == Span.exactly(4.5)
    assert total.wall_hours == Span.exactly(3.0)
    assert (total.n_unknown, total.wall_text) == (1, "3, 1 unknown")
    assert total.dollars == Span.exactly(9.0)
    assert total.basis == "catalog default"
    assert total.text == ("4.5 GPU hours, $9, 3 wall hours one after another (not known of 1)")


def test_many_bases_are_cut_and_counted():
    parts = [
        Total(bases={name: count})
        for name, count in {"a": 1, "b": 5, "c": 2, "d": 3, "e": 1}.items()
    ]
    assert sum(parts, Total()).basis == "b (5); d (3); c (2); and 2 more"
