"""Rows without an index get the ids of the samples whose text they ask, where that is certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.adoption.row_ids import match_rows
from quarry.benchmarks.source import BenchmarkSource
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample
from quarry.toy.mirror import write_toy_mirror
from quarry.trajectory.prompt_parts import folded, split_prompts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkSource:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, 0)
    return BenchmarkSource(mirror)


def asked(format: str, style: str, exemplars: list[Sample], samples: list[Sample]) -> list[str]:
    prompts = [prompt_text(format, style, exemplars, sample) for sample in samples]
    return [part.question for part in split_prompts(prompts)]


@pytest.mark.parametrize("format", ["gsm8k", "humaneval", "logiqa"])
@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("n_shot", [0, 8])
def test_rows_are_matched_and_never_wrongly(
    format: str, style: str, n_shot: int, source: BenchmarkSource
):
    samples = source.load(format, "test")
    exemplars, rows = samples[-n_shot:] if n_shot else [], samples[1:41:2]
    matched = match_rows(asked(format, style, exemplars, rows), samples)
    inputs = [folded(sample.input) for sample in samples]
    certain = {row for row, sample in enumerate(rows) if inputs.count(folded(sample.input)) == 1}
    assert matched == {row: rows[row].id for row in certain}
    assert len(matched) > 15


def test_a_question_of_two_samples_or_of_two_rows_matches_none():
    one = [Sample(f"gsm8k/test/{i}", f"How many are {i} and {i} together?", "1") for i in range(3)]
    twin = [Sample("gsm8k/test/8", one[2].input, "1")]
    prompts = [f"Question: {one[i].input}\nAnswer:" for i in (0, 1, 0, 2)]
    questions = [part.question for part in split_prompts(prompts)]
    assert match_rows(questions, [*one, *twin]) == {1: "gsm8k/test/1"}


def test_nearly_every_real_question_is_matched(shared_data: Path):
    source = BenchmarkSource(shared_data)
    for format, least in (("gsm8k", 1319), ("humaneval", 164)):
        samples = source.load(format, "test")
        matched = match_rows(asked(format, "raw", samples[:8], samples), samples)
        assert all(samples[row].id == sample_id for row, sample_id in matched.items())
        assert len(matched) >= 0.99 * least
