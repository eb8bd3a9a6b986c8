"""Candidates are drawn by hash, keep their shard, and leave out what was tested before."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import UnknownNameError
from quarry.necessity.pool import draw_pool, pool_frame, pool_problems, problems_of_shard
from quarry.necessity.shards import shard_names, shard_of
from quarry.samples import Sample
from quarry.toy.arithmetic import arithmetic_records


def samples(n: int = 200) -> list[Sample]:
    return [
        Sample(
            f"gsm8k/train/{row}",
            record["question"],
            record["answer"].rsplit(" ", 1)[1],
            metadata={"solution": record["answer"]},
        )
        for row, record in enumerate(arithmetic_records(n, 0, seed=1)["train"])
    ]


def test_the_pool_is_the_same_whatever_the_order_of_the_source():
    shuffled = samples()
    Random(3).shuffle(shuffled)
    drawn = draw_pool(samples(), n=50, seed=7, tested=())
    assert draw_pool(shuffled, n=50, seed=7, tested=()) == drawn
    assert draw_pool(samples(), n=None, seed=7, tested=())[:50] == drawn
    assert draw_pool(samples(), n=50, seed=8, tested=()) != drawn


def test_questions_that_were_tested_are_left_out_however_they_are_written():
    known = samples()[5].input
    pool = draw_pool(samples(), n=None, seed=0, tested=[f"  {known.upper()} "])
    assert len(pool) == 199
    assert "train_5" not in {one.id for one in pool}


def test_every_problem_is_in_one_shard_and_comes_back_whole():
    pool = draw_pool(samples(), n=None, seed=0, tested=())
    frame = pool_frame(pool, 4)
    parts = [problems_of_shard(frame, shard) for shard in shard_names(4)]
    assert sorted(one.id for part in parts for one in part) == sorted(one.id for one in pool)
    assert pool_problems(frame) == pool
    assert min(map(len, parts)) > 25


def test_a_shard_without_problems_is_named():
    frame = pool_frame(draw_pool(samples(10), n=2, seed=0, tested=()), 16)
    lacking = next(name for name in shard_names(16) if name not in set(frame["shard"]))
    with pytest.raises(UnknownNameError, match="no problems"):
        problems_of_shard(frame, lacking)


@given(st.text(min_size=1, max_size=30), st.integers(1, 100))
def test_a_problem_stays_in_its_shard(name: str, n_shards: int):
    assert shard_of(name, n_shards) in shard_names(n_shards)
    assert shard_of(name, n_shards) == shard_of(name, n_shards)


def test_names_of_shards_sort_as_their_numbers():
    assert shard_names(3) == ["shard-00", "shard-01", "shard-02"]
    assert sorted(shard_names(100)) == shard_names(100)
