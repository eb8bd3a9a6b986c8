"""What was published is taken over: only what it lacks is made, or all where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.sampling.sampling_cases import (
    ALL,
    PROMPTS,
    Bench,
    N,
    PowerCutError,
    generations,
    load,
    plan,
)


def test_a_larger_n_makes_only_what_the_published_table_lacks(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(n=40))
    assert not bench.store.exists()
    rows, asked = bench.sample(plan(), published=bench.published)
    assert rows == whole
    assert generations(asked) == [one for one in ALL if one[1] >= 40]


def test_a_larger_n_after_an_interrupted_raise_makes_the_rest(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(n=40))
    published = bench.published
    with load(bench.model_dir) as engine:
        engine.stop_after = 25
        with pytest.raises(PowerCutError):
            bench.begin(plan(), engine, published)
    rows, asked = bench.sample(plan(), published=published)
    assert rows == whole
    assert len(generations(asked)) == 3 * 20 - 20


def test_a_smaller_n_than_the_published_one_is_sampled_anew(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(n=2 * N))
    rows, asked = bench.sample(plan(), published=bench.published)
    assert rows == whole
    assert generations(asked) == ALL


def test_a_finished_table_is_made_anew_where_that_is_asked_for(bench: Bench) -> None:
    first = bench.publish(plan())
    content = bench.table_path.read_bytes()
    assert bench.publish(plan(), bench.published, again=True) == first
    assert bench.table_path.read_bytes() == content


def test_a_run_that_ended_between_publication_and_its_record_costs_nothing(bench: Bench) -> None:
    bench.publish(plan())
    content = bench.table_path.read_bytes()
    assert bench.publish(plan(), bench.published) == []
    assert bench.table_path.read_bytes() == content
    assert f"going on from {3 * N} of {3 * N} generations that were made before" in bench.said


def test_a_prompt_that_is_new_since_the_publication_is_all_that_is_made(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(prompts=PROMPTS[::2]))
    rows, asked = bench.sample(plan(), published=bench.published)
    assert rows == whole
    assert {one.prompt_id for one in asked} == {PROMPTS[1].id}


def test_another_right_answer_makes_no_generation_and_is_in_the_table(bench: Bench) -> None:
    bench.publish(plan())
    changed = [replace(prompt, target=" Noah Clark") for prompt in PROMPTS]
    rows, asked = bench.sample(plan(prompts=changed), published=bench.published)
    assert asked == []
    assert {row["target"] for row in rows} == {" Noah Clark"}


def test_a_published_table_that_does_not_add_up_is_not_used(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(n=40))
    pq.write_table(pq.read_table(bench.table_path).slice(1), bench.table_path)
    rows, asked = bench.sample(plan(), published=bench.published)
    assert rows == whole
    assert len([one for one in generations(asked) if one[1] < 40]) == 40


def test_a_published_table_that_is_damaged_inside_is_not_used(
    bench: Bench, whole: list[dict[str, Any]]
) -> None:
    bench.publish(plan(n=40))
    content = bytearray(bench.table_path.read_bytes())
    for column in pq.ParquetFile(bench.table_path).metadata.row_group(0).to_dict()["columns"]:
        start = column["dictionary_page_offset"] or column["data_page_offset"]
        content[start : start + column["total_compressed_size"]] = bytes(
            column["total_compressed_size"]
        )
    bench.table_path.write_bytes(content)
    assert bench.published.is_readable(), "its end is whole"
    rows, asked = bench.sample(plan(), published=bench.published)
    assert rows == whole
    assert generations(asked) == ALL
