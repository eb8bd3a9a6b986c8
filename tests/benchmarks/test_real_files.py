"""Every row of the original files becomes a sample."""

import re
from collections import Counter
from pathlib import Path

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.benchmarks.stubs import stub_exemplars

SPLIT_SIZES = {
    ("gsm8k", "train"): 7473,
    ("gsm8k", "test"): 1319,
    ("humaneval", "test"): 164,
    ("logiqa", "validation"): 651,
    ("logiqa", "test"): 651,
    ("mbpp", "prompt"): 10,
    ("mbpp", "test"): 500,
    ("mbpp", "validation"): 90,
    ("mbpp", "train"): 374,
}


@pytest.fixture(scope="module")
def real(shared_data: Path) -> BenchmarkSource:
    return BenchmarkSource(shared_data)


@pytest.mark.shared
@pytest.mark.parametrize(("format", "split"), SPLIT_SIZES)
def test_every_row_parses_and_has_its_own_id(
    real: BenchmarkSource, format: str, split: str
) -> None:
    samples = real.load(format, split)
    assert len(samples) == SPLIT_SIZES[format, split]
    assert len({sample.id for sample in samples}) == len(samples)
    assert all(sample.id.startswith(f"{format}/{split}/") for sample in samples)
    assert all(sample.input.strip() and sample.target.strip() for sample in samples)


@pytest.mark.shared
def test_gsm8k_targets_are_plain_numbers(real: BenchmarkSource) -> None:
    samples = real.load("gsm8k", "train") + real.load("gsm8k", "test")
    assert all(re.fullmatch(r"-?\d+", sample.target) for sample in samples)
    assert sum("," in sample.metadata["solution"].split("####")[1] for sample in samples) > 0
    assert samples[7473].target == "18"


@pytest.mark.shared
def test_humaneval_stubs_with_their_canonical_bodies_are_programs(real: BenchmarkSource) -> None:
    for sample in real.load("humaneval", "test"):
        compile(sample.input + sample.target + sample.metadata["test"], sample.id, "exec")
        assert f"def {sample.metadata['entry_point']}(" in sample.input


@pytest.mark.shared
def test_logiqa_options_lose_their_letters_and_keep_their_text(real: BenchmarkSource) -> None:
    samples = real.load("logiqa", "validation") + real.load("logiqa", "test")
    assert all(len(sample.choices) == 4 for sample in samples)
    # Options whose text itself begins with the people A, B, C: "A.B, and C are Kenyan".
    lettered = {s.id for s in samples for text in s.choices if re.match(r"[A-Da-d][.?:]\S", text)}
    assert lettered == {"logiqa/validation/232", "logiqa/validation/460", "logiqa/test/133"}
    assert set(Counter(sample.target for sample in samples)) == set("ABCD")


@pytest.mark.shared
def test_logiqa_options_out_of_order_are_put_in_the_order_of_their_letters(
    real: BenchmarkSource,
) -> None:
    # The file has A, C, B, D here, and the right letter b means the option written "B.".
    sample = real.load("logiqa", "test")[108]
    assert sample.target == "B"
    assert sample.choices[1] == "No.2 valve and No.3 valve."


@pytest.mark.shared
def test_mbpp_entry_points_are_called_by_every_assert_and_lines_end_the_unix_way(
    real: BenchmarkSource,
) -> None:
    for split in ("train", "validation", "test", "prompt"):
        for sample in real.load("mbpp", split):
            name = sample.metadata["entry_point"]
            assert "\r" not in sample.target
            assert re.search(rf"(?:def|class)\s+{name}\b|^{name}\s*=", sample.target, re.MULTILINE)
            assert any(name in test for test in sample.metadata["test_list"])


@pytest.mark.shared
def test_most_mbpp_train_problems_become_stubs_that_pass_their_own_asserts(
    real: BenchmarkSource,
) -> None:
    stubs = stub_exemplars(real.load("mbpp", "train"))
    assert len(stubs) >= 340
    # These are the reference solutions of the benchmark, not a model's text.
    for stub in stubs[:80]:
        namespace: dict[str, object] = {}
        exec(compile(stub.input + stub.target, stub.id, "exec"), namespace)
        for test in stub.metadata["test_list"]:
            exec(test, namespace)
