"""One recipe from start to weights on disk: tokenizer, architecture or parent, training, saving.

Whether it has to be run at all is decided in `models`; the loop lives in `training`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from transformers import Olmo3Config, Olmo3ForCausalLM, PreTrainedTokenizerFast

from quarry.inference.checkpoint import read_checkpoint, without_progress_bars
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample
from quarry.toy.models import ToyBudget
from quarry.toy.recipes import (
    Answered,
    DocumentStream,
    Recipe,
    chat_answer,
    plain_answer,
    recipe_named,
    thinking_answer,
)
from quarry.toy.self_teaching import own_correct_answers
from quarry.toy.tokenizer import build_tokenizer
from quarry.toy.training import Progress, Schedule, train

CONTEXT_LENGTH = 8192
"""Positions are rotary, so a long context costs nothing; real 8-shot prompts spelled in bytes
take several thousand tokens."""

# A few hundred problems hold every word; what they lack would be spelled in bytes.
_VOCABULARY_SAMPLES = 500

# Below this a format's own answers say too little, and the gold ones are learned instead.
_FEWEST_OWN_ANSWERS = 4


@dataclass(frozen=True)
class TrainingRun:
    """What a run left behind, beside the weights.

    Args:
        losses: of every step.
        n_own_answers: own correct answers by format; empty where answers are gold.
    """

    losses: list[float]
    n_own_answers: dict[str, int]


def run_recipe(
    name: str,
    directory: Path,
    *,
    parent: Path | None,
    samples: Mapping[str, Sequence[Sample]],
    seed: int,
    budget: ToyBudget,
    progress: Progress | None,
) -> TrainingRun:
    """Train a recipe and save model and tokenizer in the format of the hub."""
    recipe = recipe_named(name)
    with reproducible(seed, budget.n_threads):
        tokenizer, model = _start(parent, samples)
        answered, n_own = _answers(recipe, parent, samples, seed, budget)
        documents = DocumentStream(recipe, answered, f"{name}:{seed}")
        schedule = Schedule(budget.steps_of(name), budget.tokens_per_step, scale=recipe.rate)
        losses = train(model, tokenizer, documents, schedule, progress)
    save(model, tokenizer, directory)
    return TrainingRun(losses, n_own)


@contextmanager
def reproducible(seed: int, n_threads: int) -> Generator[None]:
    """Random numbers and threads of its own, whatever the process did before or does after."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _start(
    parent: Path | None, samples: Mapping[str, Sequence[Sample]]
) -> tuple[PreTrainedTokenizerFast, Olmo3ForCausalLM]:
    """Tokenizer and model: the parent's, or new ones."""
    if parent is not None:
        found = read_checkpoint(parent, revision=None, dtype="float32", device="cpu")
        return cast("PreTrainedTokenizerFast", found.tokenizer), cast(
            "Olmo3ForCausalLM", found.model
        )
    tokenizer = build_tokenizer(_texts(samples), CONTEXT_LENGTH)
    return tokenizer, Olmo3ForCausalLM(architecture(len(tokenizer)))


def architecture(vocab_size: int, *, bos_token_id: int | None = None) -> Olmo3Config:
    """OLMo-3 in small: two sliding-window blocks and a full one, about 0.7 million weights."""
    return Olmo3Config(
        vocab_size=vocab_size,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_LENGTH,
        sliding_window=256,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        tie_word_embeddings=True,
        bos_token_id=bos_token_id,
        eos_token_id=0,
        pad_token_id=0,
    )


def _texts(samples: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    """Texts of all formats and styles, so that all recipes share one vocabulary."""
    for format, pool in samples.items():
        for sample in pool[:_VOCABULARY_SAMPLES]:
            for style in ("raw", "chat"):
                # With an exemplar, since chat prompts introduce their examples by a sentence.
                yield prompt_text(format, style, [sample], sample)
            for answer in (plain_answer, chat_answer, thinking_answer):
                yield answer(format, sample)


def _answers(
    recipe: Recipe,
    parent: Path | None,
    samples: Mapping[str, Sequence[Sample]],
    seed: int,
    budget: ToyBudget,
) -> tuple[dict[str, list[Answered]], dict[str, int]]:
    """What is learned by format, and the number of own answers in it."""
    gold = {
        format: [(sample, recipe.answer(format, sample)) for sample in pool]
        for format, pool in samples.items()
    }
    if not recipe.is_self_taught or parent is None:
        return gold, {}
    own = own_correct_answers(parent, samples, budget.n_attempts, seed)
    learned = {
        format: own[format] if len(own[format]) >= _FEWEST_OWN_ANSWERS else gold[format]
        for format in gold
    }
    return learned, {format: len(answers) for format, answers in own.items()}


def save(model: Olmo3ForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write weights, config and tokenizer."""
    with without_progress_bars():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
