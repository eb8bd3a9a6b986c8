"""Gold answers grade correct and wrong ones incorrect; a broken record is found."""

from __future__ import annotations

import dataclasses

import pytest

from quarry.grading.references import check_references, reference_completion
from quarry.samples import Sample
from tests.grading.code_problems import golden_code

GSM8K = Sample(
    "gsm8k/test/0", "?", "1200", (), {"solution": "600*2=<<600*2=1200>>1200\n#### 1,200"}
)
LOGIQA = Sample("logiqa/test/0", "?", "D", ("one", "two", "three", "four"))


def samples_of(format: str) -> list[Sample]:
    if format == "gsm8k":
        return [GSM8K]
    return [LOGIQA] if format == "logiqa" else list(golden_code(format)[0].values())


@pytest.mark.parametrize("format", ["gsm8k", "logiqa", "humaneval", "mbpp"])
def test_good_records_agree_with_their_references(format: str) -> None:
    assert check_references(samples_of(format), format) == []


def test_a_wrong_gold_answer_is_found_and_named() -> None:
    wrong = dataclasses.replace(GSM8K, id="gsm8k/test/7", target="1300")
    (finding,) = check_references([GSM8K, wrong], "gsm8k")
    assert (finding.check, finding.kind) == ("agrees_with_references", "gold_not_correct")
    assert finding.sample_id == "gsm8k/test/7"


def test_tests_that_accept_everything_are_found() -> None:
    sample = golden_code("humaneval")[0]["total"]
    lenient = {**sample.metadata, "test": "def check(candidate):\n    pass\n"}
    (finding,) = check_references([dataclasses.replace(sample, metadata=lenient)], "humaneval")
    assert finding.kind == "wrong_not_incorrect"


def test_only_some_of_many_samples_are_tried() -> None:
    many = [dataclasses.replace(GSM8K, id=f"gsm8k/test/{n}", target="1300") for n in range(100)]
    findings = check_references(many, "gsm8k", most=20)
    tried = [finding.sample_id for finding in findings]
    assert len(tried) == 20
    assert tried[-1] == "gsm8k/test/95"


def test_a_reference_has_the_form_of_its_benchmark() -> None:
    assert reference_completion(GSM8K, "gsm8k").endswith("#### 1,200")
    assert reference_completion(LOGIQA, "logiqa") == "D"
