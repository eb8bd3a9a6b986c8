"""The toy mirror: real formats, reproducible, disjoint splits, answers that are right."""

import ast
import gzip
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from quarry.benchmarks.source import BenchmarkSource
from quarry.toy.mirror import LOGIQA_SIZES, N_GSM8K_TEST, N_GSM8K_TRAIN, write_toy_mirror

ALL_SPLITS = {
    "gsm8k": ("train", "test"),
    "humaneval": ("test",),
    "logiqa": ("train", "validation", "test"),
    "mbpp": ("train", "validation", "test", "prompt"),
}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(directory, seed=0)
    return directory


@pytest.fixture(scope="module")
def source(mirror: Path) -> BenchmarkSource:
    return BenchmarkSource(mirror)


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_layout_is_that_of_the_original_files(mirror: Path) -> None:
    assert set(contents(mirror)) == {
        "gsm8k/train.jsonl",
        "gsm8k/test.jsonl",
        "humaneval/HumanEval.jsonl.gz",
        "logiqa/Train.txt",
        "logiqa/Eval.txt",
        "logiqa/Test.txt",
        "mbpp/mbpp.jsonl",
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    mirror: Path, tmp_path: Path
) -> None:
    write_toy_mirror(tmp_path / "same", seed=0)
    write_toy_mirror(tmp_path / "other", seed=1)
    same, other = contents(tmp_path / "same"), contents(tmp_path / "other")
    assert same == contents(mirror)
    assert all(other[name] != content for name, content in same.items())


def test_an_existing_mirror_is_left_alone_and_nothing_else_stays_behind(tmp_path: Path) -> None:
    directory = tmp_path / "mirror"
    write_toy_mirror(directory, seed=0)
    (directory / "mine.txt").write_text("kept")
    write_toy_mirror(directory, seed=0)
    assert (directory / "mine.txt").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


def test_the_splits_have_their_sizes(source: BenchmarkSource) -> None:
    sizes = {
        (format, split): len(source.load(format, split))
        for format, splits in ALL_SPLITS.items()
        for split in splits
    }
    assert sizes == {
        ("gsm8k", "train"): N_GSM8K_TRAIN,
        ("gsm8k", "test"): N_GSM8K_TEST,
        ("humaneval", "test"): 60,
        ("logiqa", "train"): LOGIQA_SIZES["Train"],
        ("logiqa", "validation"): LOGIQA_SIZES["Eval"],
        ("logiqa", "test"): LOGIQA_SIZES["Test"],
        ("mbpp", "train"): 374,
        ("mbpp", "validation"): 90,
        ("mbpp", "test"): 500,
        ("mbpp", "prompt"): 10,
    }


@pytest.mark.parametrize("format", ALL_SPLITS)
def test_no_problem_occurs_twice_in_or_between_splits(source: BenchmarkSource, format: str) -> None:
    inputs = [s.input for split in ALL_SPLITS[format] for s in source.load(format, split)]
    assert len(set(inputs)) == len(inputs)


def test_no_function_of_humaneval_is_in_mbpp_but_its_pattern_is_in_the_train_split(
    source: BenchmarkSource,
) -> None:
    def names(format: str, *splits: str) -> set[str]:
        return {s.metadata["entry_point"] for split in splits for s in source.load(format, split)}

    held_out, train = names("humaneval", "test"), names("mbpp", "train")
    assert not held_out & names("mbpp", *ALL_SPLITS["mbpp"])
    patterns = {name.rpartition("_")[0] for name in held_out}
    assert patterns <= {name.rpartition("_")[0] for name in train}
    assert len(patterns) >= 18


def test_every_calculation_of_the_arithmetic_is_right_and_small(source: BenchmarkSource) -> None:
    for sample in source.load("gsm8k", "train") + source.load("gsm8k", "test"):
        solution = sample.metadata["solution"]
        blocks = re.findall(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)", solution)
        assert 1 <= len(blocks) <= 4
        for left, operator, right, result, written in blocks:
            a, b, c = int(left), int(right), int(result)
            expected = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator]
            assert expected == c == int(written)
            assert 0 <= c <= 99
        assert sample.target == blocks[-1][4]
        for (*_, before), (after, *_) in pairwise(blocks):
            assert before == after


def test_the_arithmetic_has_all_step_counts_in_both_splits(source: BenchmarkSource) -> None:
    for split in ("train", "test"):
        samples = source.load("gsm8k", split)
        counts = Counter(sample.metadata["solution"].count("<<") for sample in samples)
        assert set(counts) == {1, 2, 3, 4}
        assert min(counts.values()) / len(samples) > 0.03


def test_every_function_passes_its_check_and_a_constant_does_not(mirror: Path) -> None:
    content = gzip.decompress((mirror / "humaneval" / "HumanEval.jsonl.gz").read_bytes())
    for line in content.splitlines():
        record = json.loads(line)
        namespace: dict[str, object] = {}
        exec(record["prompt"] + record["canonical_solution"] + record["test"], namespace)
        check = namespace["check"]
        assert callable(check)
        check(namespace[record["entry_point"]])
        asserts = re.findall(r"== (.*)", record["test"])
        assert len(asserts) >= 3
        assert len(set(asserts)) > 1
        constant = ast.literal_eval(asserts[0])
        with pytest.raises(AssertionError):
            check(lambda _: constant)  # noqa: B023


def test_every_mbpp_solution_passes_its_asserts(source: BenchmarkSource) -> None:
    for split in ALL_SPLITS["mbpp"]:
        for sample in source.load("mbpp", split):
            tests = [*sample.metadata["test_list"], *sample.metadata["challenge_test_list"]]
            exec("\n".join([sample.target, *tests]), {})


def solve(context: str, question: str) -> str:
    """The answer by rules that know nothing of how the problem was made."""
    if context.startswith("The "):
        return "not " + " ".join(re.findall(r"not in the (\w+) box", context))
    if question.startswith("What"):
        kind = re.search(r"one of the (\w+)\.", context)
        assert kind
        found = re.search(rf"All {kind[1]} are (\w+)\.", context)
        assert found
        return found[1]
    pairs = re.findall(r"(\w+) is \w+ than (\w+)\.", context)
    first, second = {a for a, _ in pairs}, {b for _, b in pairs}
    is_top = re.search(r"tallest|oldest|fastest", question)
    (end,) = first - second if is_top else second - first
    return end


def test_every_logic_answer_follows_from_its_context(source: BenchmarkSource) -> None:
    for split in ALL_SPLITS["logiqa"]:
        for sample in source.load("logiqa", split):
            assert len(set(sample.choices)) == 4
            right = sample.choices["ABCD".index(sample.target)]
            answer = solve(sample.metadata["context"], sample.metadata["question"])
            if answer.startswith("not "):
                assert {right} == set(sample.choices) - set(answer.split()[1:])
            else:
                assert answer == right


def test_the_right_letters_are_balanced(source: BenchmarkSource) -> None:
    counts = Counter(sample.target for sample in source.load("logiqa", "train"))
    assert all(650 < counts[letter] < 850 for letter in "ABCD")


def test_texts_are_short_and_words_few_enough_for_a_tiny_model(source: BenchmarkSource) -> None:
    def tokens(text: str) -> list[str]:
        return re.findall(r"[A-Za-z]+|\d|[^\sA-Za-z\d]+|\n", text)

    arithmetic = [
        tokens(s.input + " " + s.metadata["solution"]) for s in source.load("gsm8k", "train")
    ]
    logic = [tokens(s.input + "\n".join(s.choices)) for s in source.load("logiqa", "train")]
    functions = [tokens(s.input + s.target) for s in source.load("humaneval", "test")]
    for documents in (arithmetic, logic, functions):
        assert sum(map(len, documents)) / len(documents) < 65
    words = {word for documents in (arithmetic, logic, functions) for d in documents for word in d}
    assert len(words) < 300
