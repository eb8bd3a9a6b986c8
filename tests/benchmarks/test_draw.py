"""Drawing by hash: independent of order, stable under growth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.benchmarks.draw import draw_samples
from quarry.errors import RecordError
from quarry.samples import Sample

ids = st.lists(st.text(max_size=12), unique=True, max_size=40)
seeds = st.integers(0, 2**32)
sizes = st.integers(0, 45)


def samples_of(names: list[str]) -> list[Sample]:
    return [Sample(name, "question", "1") for name in names]


@given(names=ids, seed=seeds, n=sizes, data=st.data())
@settings(derandomize=True)
def test_the_order_of_the_input_changes_nothing(
    names: list[str], seed: int, n: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(names))
    assert draw_samples(samples_of(names), n, seed) == draw_samples(samples_of(shuffled), n, seed)


@given(names=ids, seed=seeds, n=sizes, more=sizes)
@settings(derandomize=True)
def test_a_larger_draw_begins_with_the_smaller_one(
    names: list[str], seed: int, n: int, more: int
) -> None:
    samples = samples_of(names)
    smaller, larger = draw_samples(samples, n, seed), draw_samples(samples, n + more, seed)
    assert larger[: len(smaller)] == smaller
    assert len(larger) == min(n + more, len(samples))


@given(names=ids, seed=seeds, n=sizes, n_old=sizes)
@settings(derandomize=True)
def test_a_grown_source_displaces_samples_only_by_new_ones(
    names: list[str], seed: int, n: int, n_old: int
) -> None:
    old, new = samples_of(names[:n_old]), samples_of(names[n_old:])
    before, after = draw_samples(old, n, seed), draw_samples(old + new, n, seed)
    kept = [sample for sample in after if sample in old]
    assert kept == before[: len(kept)]
    assert len(before) - len(kept) <= len(after) - len(kept)


def test_two_seeds_draw_differently() -> None:
    samples = samples_of([f"gsm8k/test/{row}" for row in range(1319)])
    first, second = draw_samples(samples, 500, 0), draw_samples(samples, 500, 1)
    # Two independent draws of 500 of 1,319 share 190 on average.
    assert 150 < len({s.id for s in first} & {s.id for s in second}) < 230


def test_every_sample_is_drawn_about_equally_often() -> None:
    samples = samples_of([f"gsm8k/test/{row}" for row in range(60)])
    drawn = [sample.id for seed in range(600) for sample in draw_samples(samples, 20, seed)]
    assert all(140 < drawn.count(sample.id) < 260 for sample in samples)


def test_the_draw_of_a_seed_never_changes() -> None:
    samples = samples_of([f"gsm8k/test/{row}" for row in range(1319)])
    assert [sample.id for sample in draw_samples(samples, 3, 0)] == [
        "gsm8k/test/1135",
        "gsm8k/test/155",
        "gsm8k/test/538",
    ]


def test_a_repeated_id_is_refused() -> None:
    with pytest.raises(RecordError, match="gsm8k/test/1"):
        draw_samples(samples_of(["gsm8k/test/1", "gsm8k/test/1"]), 1, 0)
