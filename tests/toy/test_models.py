"""Toy models are trained on the prompts they are asked in, published whole, found again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from quarry.benchmarks.source import BenchmarkSource
from quarry.errors import ModelLoadError, UnknownNameError
from quarry.grading.grader import grade
from quarry.grading.verdict import Verdict
from quarry.inference.engine import CaptureSpec, GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample
from quarry.toy.mirror import write_toy_mirror
from quarry.toy.models import ToyBudget, ToyTrainingReport, parent_recipe, train_toy_model
from quarry.toy.recipes import RECIPES, DocumentStream, training_samples
from quarry.toy.tokenizer import build_tokenizer
from quarry.toy.training import Schedule, encode_document

TINY = ToyBudget.tiny()
FORMATS = ("gsm8k", "logiqa", "humaneval")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkSource:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, 0)
    return BenchmarkSource(mirror)


@pytest.fixture(scope="module")
def samples(source: BenchmarkSource) -> dict[str, list[Sample]]:
    return training_samples(source)


def train(recipe: str, root: Path, source: BenchmarkSource, seed: int = 0) -> ToyTrainingReport:
    parent = parent_recipe(recipe)
    return train_toy_model(
        recipe,
        root / recipe,
        source=source,
        seed=seed,
        parent=root / parent if parent else None,
        budget=TINY,
    )


@pytest.fixture(scope="module")
def family(source: BenchmarkSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("family")
    for recipe in RECIPES:
        train(recipe, root, source)
    return root


@pytest.fixture(scope="module")
def tokenizer(family: Path) -> PreTrainedTokenizerFast:
    with TransformersEngine.load(family / "base", device="cpu") as engine:
        assert isinstance(engine.tokenizer, PreTrainedTokenizerFast)
        return engine.tokenizer


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_gives_a_checkpoint_that_the_engine_runs_and_captures(
    recipe: str, family: Path
) -> None:
    is_chat = RECIPES[recipe].style == "chat"
    with TransformersEngine.load(family / recipe, device="cpu") as engine:
        prompt = Prompt("toy/0", "Question: Tom has 3 pens.\nAnswer:", is_chat=is_chat)
        (completion,) = engine.run([prompt], GenerationParameters(8), CaptureSpec((0, 2)))
        assert (engine.n_layers, engine.d_model) == (3, 128)
        assert completion.prompt_text.startswith("<|user|>") == is_chat
        assert completion.hidden_states is not None


def test_a_checkpoint_says_how_it_came_about(family: Path) -> None:
    base = json.loads((family / "base" / "training.json").read_text())
    think = json.loads((family / "think" / "training.json").read_text())
    sft = json.loads((family / "sft" / "training.json").read_text())
    assert (base["recipe"], base["seed"], base["parent_digest"]) == ("base", 0, None)
    assert sft["parent_digest"] == base["digest"]
    assert think["parent_digest"] == sft["digest"]
    assert base["loss_curve"][-1] < base["loss_curve"][0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    family: Path, source: BenchmarkSource, tmp_path: Path
) -> None:
    torch.rand(3)  # what the process drew before does not matter
    again, other = tmp_path / "again", tmp_path / "other"
    expected = json.loads((family / "base" / "training.json").read_text())["digest"]
    assert train("base", again, source).digest == expected
    assert train("base", other, source, seed=1).digest != expected


def test_training_leaves_random_numbers_and_threads_of_the_process_alone(
    source: BenchmarkSource, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    n_threads = torch.get_num_threads()
    torch.manual_seed(5)
    train("base", tmp_path, source)
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == n_threads


def test_a_finished_checkpoint_is_found_without_training(
    family: Path, source: BenchmarkSource
) -> None:
    weights = family / "sft" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    steps: list[int] = []
    report = train_toy_model(
        "sft",
        family / "sft",
        source=source,
        seed=0,
        parent=family / "base",
        budget=TINY,
        progress=lambda step, steps_in_all, loss: steps.append(step),
    )
    assert steps == []
    assert weights.stat().st_mtime_ns == before
    assert report.facts()["recipe"] == "sft"


def test_a_damaged_or_outdated_checkpoint_is_trained_again(
    family: Path, source: BenchmarkSource, tmp_path: Path
) -> None:
    shutil.copytree(family / "base", tmp_path / "base")
    weights = tmp_path / "base" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    train("base", tmp_path, source)
    assert weights.read_bytes() == whole
    train("base", tmp_path, source, seed=1)
    assert weights.read_bytes() != whole
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_an_interrupted_training_leaves_nothing_behind(
    source: BenchmarkSource, tmp_path: Path
) -> None:
    def interrupt(step: int, n_steps: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_toy_model(
            "base", tmp_path / "base", source=source, seed=0, budget=TINY, progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_without_its_parent_says_which_one_is_missing(
    source: BenchmarkSource, tmp_path: Path
) -> None:
    with pytest.raises(ModelLoadError, match="finished checkpoint of recipe 'sft'"):
        train("think", tmp_path, source)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="one of base, sft, rl_zero, think"):
        parent_recipe("dpo")


def test_a_finished_checkpoint_is_found_without_importing_torch(
    family: Path, source: BenchmarkSource
) -> None:
    program = (
        "import sys; from pathlib import Path; from quarry.toy.models import *;"
        "from quarry.benchmarks.source import BenchmarkSource;"
        f"train_toy_model('base', Path({str(family / 'base')!r}), seed=0, budget=ToyBudget.tiny(),"
        f" source=BenchmarkSource(Path({str(source.mirror)!r})));"
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@settings(max_examples=150, derandomize=True, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = build_tokenizer(["Tom has 12 apples.\n    return x"], 64)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("format", FORMATS)
def test_toy_prompts_are_spelled_in_words_and_single_digits(
    format: str, style: str, samples: dict[str, list[Sample]], tokenizer: PreTrainedTokenizerFast
) -> None:
    for sample in samples[format][:50]:
        text = prompt_text(format, style, samples[format][50:52], sample)
        tokens = tokenizer.tokenize(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(tokens) < 0.6 * len(text)
        assert all(len(token) == 1 for token in tokens if any(map(str.isdigit, token)))


def test_prompt_and_answer_encode_alike_apart_and_together(
    samples: dict[str, list[Sample]], tokenizer: PreTrainedTokenizerFast
) -> None:
    for recipe in RECIPES.values():
        answered = {
            format: [(sample, recipe.answer(format, sample)) for sample in pool]
            for format, pool in samples.items()
        }
        stream = DocumentStream(recipe, answered, "seed")
        for _ in range(40):
            document = stream.draw()
            ids, weights = encode_document(document, tokenizer)
            whole = "".join(text for text, _ in document.segments)
            assert ids == tokenizer.encode(whole, add_special_tokens=False)
            assert len(weights) == len(ids)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_answer_that_is_taught_is_graded_correct(
    recipe: str, format: str, samples: dict[str, list[Sample]]
) -> None:
    for sample in samples[format][:5]:
        answer = RECIPES[recipe].answer(format, sample)
        grading_format = format
        if format == "humaneval":
            # Training functions come from MBPP, whose grader takes whole programs.
            grading_format = "mbpp"
            answer = answer if RECIPES[recipe].style == "chat" else sample.input + answer
        assert grade(sample, grading_format, answer).verdict is Verdict.CORRECT


def test_raw_documents_begin_with_the_very_prompt_of_the_platform(
    samples: dict[str, list[Sample]],
) -> None:
    recipe = RECIPES["base"]
    pool = samples["gsm8k"][:30]
    by_input = {sample.input: sample for sample in pool}
    answered = {"gsm8k": [(sample, recipe.answer("gsm8k", sample)) for sample in pool]}
    stream = DocumentStream(recipe, answered, "seed")
    seen_pairs: set[int] = set()
    for _ in range(60):
        segments = stream.draw().segments
        questions = [text for text, _ in segments[:-1:2]]
        drawn = [by_input[q.split("Question: ")[1].split("\nAnswer:")[0]] for q in questions]
        prompt = prompt_text("gsm8k", "raw", drawn[:-1], drawn[-1])
        assert "".join(text for text, _ in segments[:-2]) == prompt
        seen_pairs.add(len(drawn))
    assert {1, 9} <= seen_pairs <= set(range(1, 10))


@given(n_steps=st.integers(1, 500), scale=st.floats(0.01, 1.0))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_tenth(
    n_steps: int, scale: float
) -> None:
    schedule = Schedule(n_steps, 1024, scale=scale)
    factors = [schedule.factor(step) for step in range(n_steps)]
    peak = factors.index(max(factors))
    assert min(factors) > 0
    assert factors[peak] == pytest.approx(scale)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    if n_steps > 100:
        assert factors[-1] == pytest.approx(scale / 10, rel=0.02)
