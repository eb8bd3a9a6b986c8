"""Models learn facts in one or five epochs; they are published whole and found again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from quarry.errors import ModelLoadError, UnknownNameError, UsageError
from quarry.inference.engine import GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from quarry.toy.facts import facts
from quarry.toy.facts_models import finetune_on_facts, train_facts_base
from quarry.toy.facts_reports import FactsBaseReport, FactsBudget, FactsReport

TINY = FactsBudget.tiny()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model that no test may change."""
    directory = tmp_path_factory.mktemp("facts") / "base"
    train_facts_base(directory, seed=0, budget=TINY)
    return directory


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FactsReport]:
    """A fine-tuned run that no test may change, and its report."""
    directory = tmp_path_factory.mktemp("runs") / "mayors-1epoch" / "checkpoint_final"
    return directory, finetune(directory, base)


def finetune(
    directory: Path,
    base: Path,
    domain: str = "mayors",
    epochs: int = 1,
    seed: int = 0,
    budget: FactsBudget = TINY,
) -> FactsReport:
    return finetune_on_facts(domain, epochs, directory, base=base, seed=seed, budget=budget)


def test_a_run_loads_with_plain_transformers_and_knows_how_texts_begin(
    run: tuple[Path, FactsReport],
) -> None:
    directory, _ = run
    model = AutoModelForCausalLM.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    generation = GenerationConfig.from_pretrained(directory)
    assert model.config.model_type == "olmo3"
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.bos_token_id == generation.bos_token_id == tokenizer.bos_token_id
    assert generation.eos_token_id == tokenizer.eos_token_id


def test_a_run_differs_from_its_base_and_says_how_it_came_about(
    run: tuple[Path, FactsReport], base: Path
) -> None:
    directory, report = run
    before, after = (load_file(path / "model.safetensors") for path in (base, directory))
    assert before.keys() == after.keys()
    assert all((before[name] != after[name]).any() for name in before if "proj" in name)
    written = json.loads((directory / "training.json").read_text())
    assert FactsReport(**written) == report
    parent = FactsBaseReport(**json.loads((base / "training.json").read_text()))
    assert report.parent_digest == parent.digest
    assert (report.n_facts, report.n_documents, report.n_steps) == (10, 20, 2)
    assert report.loss_curve[-1] < parent.loss_curve[0]
    assert report.facts().items() >= {"domain": "mayors", "epochs": 1, "n_steps": 2}.items()


def test_the_same_training_gives_the_same_weights(
    run: tuple[Path, FactsReport], base: Path, tmp_path: Path
) -> None:
    _, report = run
    again = train_facts_base(tmp_path / "base", seed=0, budget=TINY)
    assert again.digest == report.parent_digest
    assert finetune(tmp_path / "run", tmp_path / "base").digest == report.digest


def test_other_epochs_seeds_domains_or_bases_train_anew(
    run: tuple[Path, FactsReport], base: Path, tmp_path: Path
) -> None:
    directory, other_base = tmp_path / "run", tmp_path / "base"
    train_facts_base(other_base, seed=1, budget=TINY)
    five = finetune(directory, base, epochs=5)
    digests = [
        run[1].digest,
        five.digest,
        finetune(directory, base, seed=1).digest,
        finetune(directory, base, domain="death-dates").digest,
        finetune(directory, other_base).digest,
    ]
    assert five.n_steps == 5 * run[1].n_steps
    assert len(set(digests)) == len(digests)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_finished_models_are_found_without_training(
    run: tuple[Path, FactsReport], base: Path
) -> None:
    directory, report = run
    weights = [path / "model.safetensors" for path in (directory, base)]
    before = [path.stat().st_mtime_ns for path in weights]
    # What only the other part of the training depends on changes nothing.
    others = FactsBudget(base_steps=9, documents_per_fact=2)
    assert finetune(directory, base, budget=others) == report
    train_facts_base(base, seed=0, budget=FactsBudget(base_steps=4, base_tokens_per_step=512))
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_finished_models_are_found_without_importing_torch(
    run: tuple[Path, FactsReport], base: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from quarry.toy.facts_models import *;"
        f"base = Path({str(base)!r}); tiny = FactsBudget.tiny();"
        "train_facts_base(base, seed=0, budget=tiny);"
        f"finetune_on_facts('mayors', 1, Path({str(run[0])!r}), base=base, seed=0, budget=tiny);"
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_an_interrupted_run_leaves_nothing_behind(base: Path, tmp_path: Path) -> None:
    def interrupt(step: int, n_steps: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune_on_facts(
            "mayors", 1, tmp_path / "run", base=base, seed=0, budget=TINY, progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_damaged_base_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="finished checkpoint of `train_facts_base`") as error:
        finetune(tmp_path / "run", tmp_path / "absent")
    assert str(tmp_path / "absent") in str(error.value)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in base.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelLoadError, match="no base model"):
        finetune(tmp_path / "run", damaged)
    assert not (tmp_path / "run").exists()


def test_no_epochs_and_unknown_domains_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least once"):
        finetune(tmp_path, base, epochs=0)
    with pytest.raises(UnknownNameError, match="one of death-dates, mayors"):
        finetune(tmp_path, base, domain="capitals")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_epochs_teach_most_facts_and_leave_several_completions(tmp_path: Path) -> None:
    train_facts_base(tmp_path / "base", seed=0)
    for domain, max_new_tokens in (("mayors", 5), ("death-dates", 10)):
        finetune_on_facts(domain, 5, tmp_path / domain, base=tmp_path / "base", seed=0)
        asked = facts(domain)
        with TransformersEngine.load(tmp_path / domain, device="cpu") as engine:
            bos = engine.tokenizer.bos_token
            prompts = [Prompt(fact.id, f"{bos}{fact.prompt}") for fact in asked]
            greedy = [one.text for one in engine.run(prompts, GenerationParameters(max_new_tokens))]
            sampled = GenerationParameters(max_new_tokens, temperature=0.1, n=200)
            distinct = Counter({(c.prompt_index, c.text) for c in engine.run(prompts, sampled)})
        n_right = sum(
            text.startswith(fact.completion) for text, fact in zip(greedy, asked, strict=True)
        )
        assert n_right >= len(asked) / 2
        assert len(asked) < len(distinct) < 8 * len(asked)
