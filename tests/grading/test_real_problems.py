"""The real benchmarks: gold answers grade correct, empty and wrong ones never."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.grading.grader import label_samples
from quarry.grading.references import reference_completion, wrong_completion
from quarry.samples import Sample
from tests.grading.mutants import mutants

pytestmark = pytest.mark.shared


def load(shared_data: Path, format: str, *splits: str) -> list[Sample]:
    source = BenchmarkSource(shared_data)
    return [sample for split in splits for sample in source.load(format, split)]


def verdicts(samples: list[Sample], completions: list[str], format: str) -> dict[str, int]:
    frame = label_samples(samples, completions, format)
    return {str(verdict): int(n) for verdict, n in frame["verdict"].value_counts().items()}


@pytest.mark.slow
def test_humaneval_canonical_bodies_are_correct_and_pass_bodies_are_not(shared_data: Path) -> None:
    samples = load(shared_data, "humaneval", "test")
    canonical = [reference_completion(sample, "humaneval") for sample in samples]
    frame = label_samples(samples, canonical, "humaneval")
    assert set(frame["verdict"]) == {"correct"}
    assert set(frame["is_officially_correct"]) == {True}
    assert verdicts(samples, ["    pass\n"] * 164, "humaneval") == {"incorrect": 164}
    assert verdicts(samples, [""] * 164, "humaneval") == {"no_answer": 164}


@pytest.mark.slow
def test_humaneval_mutants_are_found_in_every_problem(shared_data: Path) -> None:
    """One operator, comparison or constant is another; some mutants are as good as the original."""
    rng = random.Random(5)
    samples = load(shared_data, "humaneval", "test")
    pairs = [
        (sample, f"    pass\n\n{mutant}\n")
        for sample in samples
        for mutant in mutants(sample.input + sample.target, rng, most=4)
    ]
    frame = label_samples([one for one, _ in pairs], [text for _, text in pairs], "humaneval")
    assert set(frame["verdict"]) <= {"correct", "incorrect", "timeout"}
    labels = list(zip(frame["is_correct"], frame["is_officially_correct"], strict=True))
    assert sum(ours != official for ours, official in labels) <= 2  # a helper changed, too
    found = {sample.id for (sample, _), (ours, _) in zip(pairs, labels, strict=True) if not ours}
    assert len(found) == 164


@pytest.mark.slow
def test_humaneval_whole_functions_in_fences_are_correct(shared_data: Path) -> None:
    samples = load(shared_data, "humaneval", "test")
    answers: list[str] = []
    for sample in samples:
        stub = sample.input[sample.input.rindex(f"def {sample.metadata['entry_point']}") :]
        answers.append(f"Here it is:\n```python\n{stub}{sample.target}```\nIt's done.")
    assert verdicts(samples, answers, "humaneval") == {"correct": 164}


@pytest.mark.slow
def test_mbpp_canonical_code_is_correct(shared_data: Path) -> None:
    samples = load(shared_data, "mbpp", "train", "test", "validation", "prompt")
    assert len(samples) == 974
    frame = label_samples(samples, [sample.target for sample in samples], "mbpp")
    assert sum(frame["is_correct"]) >= 972
    assert sum(frame["is_officially_correct"]) >= 972


def test_every_gsm8k_solution_is_correct_and_every_neighbour_is_not(shared_data: Path) -> None:
    samples = load(shared_data, "gsm8k", "train", "test")
    gold = [reference_completion(sample, "gsm8k") for sample in samples]
    wrong = [wrong_completion(sample, "gsm8k") for sample in samples]
    run_on = [f"{text}\n\nQuestion: What is 2 + 2?\nAnswer: 4\n#### 4" for text in gold]
    assert verdicts(samples, gold, "gsm8k") == {"correct": 8792}
    assert verdicts(samples, run_on, "gsm8k") == {"correct": 8792}
    assert verdicts(samples, wrong, "gsm8k") == {"incorrect": 8792}


def test_every_logiqa_option_text_stands_for_its_letter_unless_it_is_repeated(
    shared_data: Path,
) -> None:
    samples = load(shared_data, "logiqa", "test")
    letters = [f"The answer is {sample.target}." for sample in samples]
    assert verdicts(samples, letters, "logiqa") == {"correct": 651}
    texts = [sample.choices["ABCD".index(sample.target)] for sample in samples]
    counts = verdicts(samples, texts, "logiqa")
    assert counts["correct"] >= 640
    assert counts.get("incorrect", 0) == 0
