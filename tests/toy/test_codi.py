"""A toy CODI model is trained in its three tasks, published whole, found again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Olmo3ForCausalLM

from quarry.benchmarks.source import BenchmarkSource
from quarry.errors import ModelLoadError
from quarry.inference.codi.checkpoint import load_codi
from quarry.inference.codi.comparison import CodiComparison
from quarry.inference.codi.settings import CodiCheckpoint, CodiSettings
from quarry.toy.codi import CodiBudget, ToyCodiReport, train_toy_codi
from quarry.toy.codi_loss import codi_loss
from quarry.toy.codi_model import CodiModule
from quarry.toy.codi_problems import CodiExample, is_held_out
from quarry.toy.mirror import write_toy_mirror
from quarry.toy.models import ToyBudget, train_toy_model

TINY = CodiBudget.tiny()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkSource:
    mirror = tmp_path_factory.mktemp("toy") / "mirror"
    write_toy_mirror(mirror, 0)
    return BenchmarkSource(mirror)


@pytest.fixture(scope="module")
def base(source: BenchmarkSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "base"
    train_toy_model("base", directory, source=source, seed=0, budget=ToyBudget.tiny())
    return directory


@pytest.fixture(scope="module")
def finished(
    source: BenchmarkSource, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ToyCodiReport]:
    """A checkpoint that no test may change, and its report."""
    directory = tmp_path_factory.mktemp("models") / "codi"
    return directory, train(directory, source, base)


def train(directory: Path, source: BenchmarkSource, base: Path, seed: int = 0) -> ToyCodiReport:
    return train_toy_codi(directory, source=source, seed=seed, parent=base, budget=TINY)


def test_the_published_checkpoint_answers_with_and_without_its_thoughts(
    finished: tuple[Path, ToyCodiReport], source: BenchmarkSource
) -> None:
    directory, _ = finished
    problems = [(s.id, s.input) for s in source.load("gsm8k", "test")[:6]]
    settings = CodiSettings(max_new_tokens=8)
    checkpoint = CodiCheckpoint(weights=directory, base=directory / "base")
    with load_codi(checkpoint, device="cpu") as model:
        compared = model.compare(problems, settings)
    assert all(isinstance(entry, CodiComparison) for entry in compared)


def test_the_base_model_beside_the_weights_loads_with_plain_transformers(
    finished: tuple[Path, ToyCodiReport],
) -> None:
    directory, _ = finished
    model = AutoModelForCausalLM.from_pretrained(directory / "base")
    tokenizer = AutoTokenizer.from_pretrained(directory / "base")
    published = load_file(directory / "model.safetensors")
    n_tokens = len(tokenizer)
    assert model.config.vocab_size == n_tokens
    assert published["codi.model.embed_tokens.weight"].shape == (n_tokens + 3, 128)
    assert {name for name in published if name.startswith("prj.")} == {
        f"prj.{part}.{kind}" for part in ("1", "3", "ln") for kind in ("weight", "bias")
    }


def test_every_part_of_the_loss_falls(finished: tuple[Path, ToyCodiReport]) -> None:
    _, report = finished
    assert len(report.loss_curve) == TINY.n_steps
    assert report.explicit_curve[-1] < 0.7 * report.explicit_curve[0]
    assert report.teacher_curve[-1] < report.teacher_curve[0]
    assert report.student_curve[-1] < 0.7 * report.student_curve[0]


def test_the_report_says_how_the_checkpoint_came_about(
    finished: tuple[Path, ToyCodiReport], base: Path
) -> None:
    directory, report = finished
    parent = json.loads((base / "training.json").read_text())
    assert ToyCodiReport(**json.loads((directory / "training.json").read_text())) == report
    assert report.parent_digest == parent["digest"]
    assert report.n_problems == 6000 - sum(is_held_out("train", row) for row in range(6000))
    assert report.facts()["n_steps"] == TINY.n_explicit_steps + TINY.n_steps
    assert not (directory / "base" / "training.json").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    finished: tuple[Path, ToyCodiReport], source: BenchmarkSource, base: Path, tmp_path: Path
) -> None:
    directory, _ = finished
    torch.rand(3)  # what the process drew before does not matter
    train(tmp_path / "again", source, base)
    train(tmp_path / "other", source, base, seed=1)
    expected = (directory / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == expected
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != expected


def test_a_finished_checkpoint_is_found_without_importing_torch(
    finished: tuple[Path, ToyCodiReport], source: BenchmarkSource, base: Path
) -> None:
    directory, report = finished
    program = (
        "import sys; from pathlib import Path; from quarry.toy.codi import *;"
        "from quarry.benchmarks.source import BenchmarkSource;"
        f"report = train_toy_codi(Path({str(directory)!r}), seed=0, budget=CodiBudget.tiny(),"
        f" parent=Path({str(base)!r}), source=BenchmarkSource(Path({str(source.mirror)!r})));"
        "print(report.digest, {'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{report.digest} set()\n", done.stderr


def test_a_damaged_checkpoint_is_trained_anew(
    finished: tuple[Path, ToyCodiReport], source: BenchmarkSource, base: Path, tmp_path: Path
) -> None:
    directory, report = finished
    shutil.copytree(directory, tmp_path / "codi")
    weights = tmp_path / "codi" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert train(tmp_path / "codi", source, base).digest == report.digest
    assert [path.name for path in tmp_path.iterdir()] == ["codi"]


def test_latents_begin_as_the_hidden_states_they_come_from(base: Path) -> None:
    parent = Olmo3ForCausalLM.from_pretrained(base)
    embeddings = parent.model.embed_tokens.weight.detach().clone()
    model = CodiModule(parent)
    model.begin_latents(7, [8, 9])
    hidden = torch.randn(2, 5, 128)
    scale = embeddings[[8, 9]].std()
    expected = scale * torch.nn.functional.layer_norm(hidden, (128,))
    torch.testing.assert_close(model.prj(hidden), expected, atol=1e-5, rtol=1e-4)
    added = model.codi.model.embed_tokens.weight[-3:]
    assert torch.equal(added, embeddings[[7, 7, 7]])


def test_the_teacher_is_not_drawn_towards_the_student(base: Path) -> None:
    model = CodiModule(Olmo3ForCausalLM.from_pretrained(base))
    model.begin_latents(7, [8, 9])
    thought = 30
    loss = codi_loss(model, [CodiExample((5, 6), (7, thought, 7), (20, 21, 8, 0), 2, 2)], 2)
    by_distillation, by_teacher = (
        torch.autograd.grad(part, model.codi.model.embed_tokens.weight, retain_graph=True)[0]
        for part in (loss.distillation, loss.teacher)
    )
    assert by_distillation[model.eot_id].abs().max() > 0
    assert by_distillation[thought].abs().max() == 0
    assert by_teacher[thought].abs().max() > 0


def test_a_checkpoint_without_its_base_model_is_trained_anew(
    finished: tuple[Path, ToyCodiReport], source: BenchmarkSource, base: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "codi")
    (tmp_path / "codi" / "base" / "tokenizer.json").unlink()
    train(tmp_path / "codi", source, base)
    assert (tmp_path / "codi" / "base" / "tokenizer.json").is_file()


@pytest.mark.parametrize("has_directory", [True, False])
def test_a_missing_parent_is_named(
    source: BenchmarkSource, tmp_path: Path, *, has_directory: bool
) -> None:
    parent = tmp_path / "absent" if has_directory else None
    with pytest.raises(ModelLoadError, match="finished checkpoint of recipe 'base'"):
        train_toy_codi(tmp_path / "codi", source=source, seed=0, parent=parent, budget=TINY)
    assert list(tmp_path.iterdir()) == []
