"""Drawing a benchmark by the catalog, and its table."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.benchmarks.benchmark_set import (
    COLUMNS,
    BenchmarkSet,
    draw_benchmark,
    from_frame,
    to_frame,
)
from quarry.benchmarks.exemplars import check_exemplars
from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.errors import CatalogError, RecordError, SourceMissingError
from quarry.samples import Sample


def catalog_with(**changes: Any) -> Catalog:
    raw: dict[str, Any] = {
        "name": "test",
        "n_samples": 50,
        "benchmark_source": {"kind": "toy"},
        "models": {"m": {"recipe": "base", "prompt_style": "raw"}},
        "benchmarks": {
            "gsm8k": {"format": "gsm8k", "n_samples": 20},
            "humaneval": {"format": "humaneval", "exemplars": {"task": "mbpp"}},
            "logiqa": {"format": "logiqa"},
            "mbpp": {"format": "mbpp"},
        },
    }
    return Catalog.model_validate({**raw, **changes})


@pytest.mark.parametrize("task", ["gsm8k", "humaneval", "logiqa", "mbpp"])
def test_a_draw_has_the_catalogs_sizes_and_no_leak(toy_source: BenchmarkSource, task: str) -> None:
    catalog = catalog_with()
    benchmark = draw_benchmark(catalog, task, 8, toy_source)
    assert len(benchmark.samples) == catalog.samples_of(task)
    assert len(benchmark.exemplars) == 8
    assert check_exemplars(benchmark.exemplars, benchmark.samples) == []
    assert {s.id.split("/")[1] for s in benchmark.samples} == {"test"}
    assert {s.id.split("/")[1] for s in benchmark.exemplars} == {"train"}


def test_the_graded_samples_are_the_same_with_and_without_shots(
    toy_source: BenchmarkSource,
) -> None:
    catalog = catalog_with()
    zero, eight = (draw_benchmark(catalog, "gsm8k", n, toy_source) for n in (0, 8))
    assert zero.samples == eight.samples
    assert zero.exemplars == ()


def test_asking_for_more_samples_than_exist_gives_all_and_no_phantom(
    toy_source: BenchmarkSource,
) -> None:
    catalog = catalog_with(n_samples=500)
    assert len(draw_benchmark(catalog, "humaneval", 0, toy_source).samples) == 60


def test_humaneval_exemplars_are_mbpp_problems_written_as_stubs(
    toy_source: BenchmarkSource,
) -> None:
    benchmark = draw_benchmark(catalog_with(), "humaneval", 8, toy_source)
    assert all(sample.id.startswith("mbpp/train/") for sample in benchmark.exemplars)
    assert all(sample.input.startswith("def ") for sample in benchmark.exemplars)


def test_exemplars_of_a_format_that_does_not_fit_are_refused(toy_source: BenchmarkSource) -> None:
    benchmarks = {"gsm8k": {"format": "gsm8k", "exemplars": {"task": "logiqa"}}}
    with pytest.raises(CatalogError, match=r"benchmarks\.gsm8k\.exemplars\.task"):
        draw_benchmark(catalog_with(benchmarks=benchmarks), "gsm8k", 2, toy_source)


def test_an_exemplar_split_that_does_not_exist_is_named(toy_source: BenchmarkSource) -> None:
    benchmarks = {"gsm8k": {"format": "gsm8k", "exemplars": {"split": "validation"}}}
    with pytest.raises(SourceMissingError, match="gsm8k/validation"):
        draw_benchmark(catalog_with(benchmarks=benchmarks), "gsm8k", 2, toy_source)


# No surrogates: they are no Unicode text, and neither JSON files nor Parquet can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
samples = st.builds(
    Sample,
    id=texts,
    input=texts,
    target=texts,
    choices=st.lists(texts, max_size=4).map(tuple),
    metadata=st.dictionaries(texts, plain, max_size=4),
)
benchmark_sets = st.builds(
    BenchmarkSet,
    task=texts,
    n_shot=st.integers(0, 100),
    format=st.sampled_from(["gsm8k", "humaneval", "logiqa", "mbpp"]),
    samples=st.lists(samples, min_size=1, max_size=5).map(tuple),
    exemplars=st.lists(samples, max_size=5).map(tuple),
)


@given(benchmark=benchmark_sets)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_set_comes_back_from_parquet_as_it_was(
    benchmark: BenchmarkSet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("frame") / "samples.parquet"
    to_frame(benchmark).to_parquet(path, index=False)
    assert from_frame(pd.read_parquet(path)) == benchmark


def test_the_table_has_one_row_a_sample_graded_ones_first(toy_source: BenchmarkSource) -> None:
    frame = to_frame(draw_benchmark(catalog_with(), "gsm8k", 8, toy_source))
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["role"]) == ["graded"] * 20 + ["exemplar"] * 8
    assert set(frame["n_shot"]) == {8}


def test_a_table_that_holds_no_benchmark_is_refused(
    toy_source: BenchmarkSource, tmp_path: Path
) -> None:
    frame = to_frame(draw_benchmark(catalog_with(), "gsm8k", 2, toy_source))
    other = to_frame(draw_benchmark(catalog_with(), "logiqa", 2, toy_source))
    with pytest.raises(RecordError, match="no metadata"):
        from_frame(frame.drop(columns="metadata"))
    with pytest.raises(RecordError, match="2 of them"):
        from_frame(pd.concat([frame, other]))
    with pytest.raises(RecordError, match="0 of them"):
        from_frame(frame.iloc[:0])
    with pytest.raises(RecordError, match="'judge'"):
        from_frame(frame.assign(role="judge"))
