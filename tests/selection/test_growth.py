"""The whole way on all of GSM8K: 132 existing problems grow to 450, and to 1,000.

The same on toy arithmetic, which is always there.
"""

import json
from collections import Counter
from dataclasses import dataclass

import pandas as pd
import pytest

from quarry.benchmarks import gsm8k
from quarry.benchmarks.records import SourceRecord
from quarry.samples import Sample
from quarry.selection.columns import DATASET_COLUMNS
from quarry.selection.dataset_files import read_dataset, write_dataset
from quarry.selection.difficulty import difficulty_of, reasoning_steps
from quarry.selection.existing import read_existing
from quarry.selection.quotas import StrataSpec, quotas_of_mapping
from quarry.selection.stratification import Stratified, stratify
from quarry.toy.arithmetic import arithmetic_records
from tests.selection.necessity_rows import existing, results_of

NEEDED_SHARE = 0.41


@dataclass(frozen=True)
class Corpus:
    """Necessity results of a corpus, its existing items, and two datasets, one in the other."""

    samples: list[Sample]
    results: pd.DataFrame
    existing: pd.DataFrame
    n_existing: dict[str, int]
    small: dict[str, int]
    large: dict[str, int]

    def choose(self, targets: dict[str, int], results: pd.DataFrame | None = None) -> Stratified:
        table = self.results if results is None else results
        return stratify(table, self.existing, StrataSpec(quotas_of_mapping(targets)))


def real_corpus(shared_data) -> Corpus:
    samples = [
        sample
        for split in ("test", "train")
        for sample in gsm8k.parse(gsm8k.read(shared_data, split), split)
    ]
    strata = ("2-step", "3-step", "4-step", "5+step")
    return Corpus(
        samples,
        results_of(samples, NEEDED_SHARE),
        read_existing(shared_data / "cot/llama_cot_all.json", samples),
        dict(zip(strata, (42, 37, 32, 21), strict=True)),
        dict(zip(strata, (150, 150, 100, 50), strict=True)),
        dict.fromkeys(strata, 250),
    )


def toy_corpus(folder) -> Corpus:
    splits = arithmetic_records(n_train=900, n_test=100, seed=0)
    samples = [
        sample
        for split, records in splits.items()
        for sample in gsm8k.parse(
            [SourceRecord(n, f"row {n}", fields) for n, fields in enumerate(records)], split
        )
    ]
    items = [
        existing(
            n,
            question=sample.input,
            answer=int(sample.target),
            reasoning_steps=reasoning_steps(sample.metadata["solution"]),
        )
        for n, sample in enumerate(samples[:30])
    ]
    (folder / "items.json").write_text(json.dumps(items))
    counts = Counter(difficulty_of(item["reasoning_steps"]) for item in items)
    return Corpus(
        samples,
        results_of(samples, NEEDED_SHARE),
        read_existing(folder / "items.json", samples),
        dict(counts),
        {"2-step": 60, "3-step": 30, "4-step": 15},
        {"2-step": 120, "3-step": 45, "4-step": 20},
    )


@pytest.fixture(scope="module", params=["toy", pytest.param("gsm8k", marks=pytest.mark.shared)])
def corpus(request, tmp_path_factory) -> Corpus:
    if request.param == "toy":
        return toy_corpus(tmp_path_factory.mktemp("toy"))
    return real_corpus(request.getfixturevalue("shared_data"))


@pytest.fixture(scope="module")
def small(corpus) -> Stratified:
    return corpus.choose(corpus.small)


@pytest.fixture(scope="module")
def large(corpus) -> Stratified:
    return corpus.choose(corpus.large)


def test_both_targets_come_out_exactly_and_existing_items_are_kept(corpus, small, large):
    for chosen, targets in ((small, corpus.small), (large, corpus.large)):
        assert chosen.report.is_met
        assert Counter(chosen.rows["difficulty"]) == targets
        kept = chosen.rows[chosen.rows["is_existing"]]
        assert Counter(kept["difficulty"]) == corpus.n_existing
        assert set(kept["gsm8k_id"]) == set(corpus.existing["gsm8k_id"])
        assert chosen.rows["needs_cot"].all()
        assert chosen.rows["gsm8k_id"].is_unique
        assert chosen.rows["question"].is_unique


def test_the_larger_dataset_holds_the_smaller_one_row_for_row(small, large):
    whole = large.rows.set_index("gsm8k_id")
    part = small.rows.set_index("gsm8k_id")
    assert set(part.index) < set(whole.index)
    pd.testing.assert_frame_equal(whole.loc[part.index], part)


def test_the_order_of_the_results_does_not_matter(corpus, small):
    again = corpus.choose(corpus.small, corpus.results.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(again.rows, small.rows)


def test_rates_of_both_splits_and_the_buffer_are_reported(corpus, small):
    test, train = small.report.sources
    assert (test.source, train.source) == ("test", "train")
    assert test.tested + train.tested == len(corpus.samples)
    for source in (test, train):
        assert source.interval is not None
        rows = corpus.results[corpus.results["source"] == source.source]
        assert source.interval.rate == rows["needs_cot"].mean()
        assert source.interval.low < source.interval.rate < source.interval.high
    n_new = sum(stratum.new for stratum in small.report.strata)
    n_outside = sum(small.report.outside.values())
    buffer = sum(stratum.buffer for stratum in small.report.strata)
    eligible = small.report.all_sources.eligible
    assert n_new + buffer + n_outside + small.report.n_of_existing == eligible


def test_every_row_of_both_files_has_every_field(large, tmp_path):
    files = write_dataset(large.rows, tmp_path / "large.json")
    rows = json.loads(files.json.read_text(encoding="utf-8"))
    assert len(rows) == len(large.rows)
    assert all(tuple(row) == DATASET_COLUMNS for row in rows)
    assert all(isinstance(row["answer"], int) for row in rows)
    pd.testing.assert_frame_equal(read_dataset(files.json), large.rows)
    pd.testing.assert_frame_equal(read_dataset(files.parquet), large.rows)
