"""`CodiModel`: answers with the thoughts of a CODI model and with these ablated, in batches.

The question is processed once for both runs; from the first slot on they are rows of one batch.
A batch is run in `runs`; what an ablation puts in place of a state is in `ablation`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Self

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from quarry.errors import EngineMemoryError, QuarryError, UsageError
from quarry.inference.batching import AdaptiveBatches, release_memory
from quarry.inference.checkpoint_engine import closed_engine
from quarry.inference.codi.ablation import ablated_layers, check_reference
from quarry.inference.codi.assembly import N_ADDED_TOKENS
from quarry.inference.codi.comparison import CodiComparison, no_answer
from quarry.inference.codi.passes import Answer, CodiTokens
from quarry.inference.codi.questions import Question, QuestionEncoder
from quarry.inference.codi.reference import CodiReference
from quarry.inference.codi.runs import Runs
from quarry.inference.codi.settings import CodiSettings
from quarry.inference.engine import Usage
from quarry.inference.memory import peak_memory_bytes
from quarry.inference.request_checks import end_token_ids
from quarry.inference.stopping import plain_text
from quarry.inference.torch_device import device_facts, settle_on
from quarry.inference.usage_meter import UsageMeter

BATCH_SIZE = 64
"""Problems at once, unless told otherwise; each is two rows, since it is run twice."""


class CodiModel:
    """A CODI model on its device; a context manager that frees its memory.

    A problem's answers do not depend on which others share its call or batch, up to the rounding of
    floating point: another batch size can change a logit in its last digits, and a token only where
    two are equally likely.

    Args:
        model: the language model, LoRA merged, with the three added tokens.
        projection: from a hidden state to the next latent.
        tokenizer: the base model's.
        source: the checkpoint, for messages.
        facts: where the weights come from, for `describe`.
        meter: counts what is done; may have counted the time that loading took.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        projection: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        source: str,
        facts: Mapping[str, Any],
        meter: UsageMeter | None = None,
    ) -> None:
        """Look up sizes and special tokens once."""
        config: Any = model.config.get_text_config()
        first_added = int(config.vocab_size) - N_ADDED_TOKENS
        ends = end_token_ids(tokenizer, model.config, model.generation_config)
        tokens = CodiTokens(first_added, first_added + 1, first_added + 2, ends)
        self.source = source
        self.tokenizer = tokenizer
        self.projection = projection
        self.n_layers = int(config.num_hidden_layers)
        self.d_model = int(config.hidden_size)
        self.context_length = int(config.max_position_embeddings)
        self.tokens = tokens
        self._facts = dict(facts)
        self._model: PreTrainedModel | None = model
        self._runs = Runs(model, projection, tokens)
        self._questions = QuestionEncoder(tokenizer, source, self.context_length)
        self._device_type = model.device.type
        self._meter = meter or UsageMeter(n_devices=int(model.device.type == "cuda"))
        self._largest_batch: int | None = None
        settle_on(model.device)

    @property
    def model(self) -> PreTrainedModel:
        """The language model itself, for hooks and inspection.

        Raises:
            UsageError: it was closed.
        """
        if self._model is None:
            raise closed_engine(self.source)
        return self._model

    def describe(self) -> dict[str, Any]:
        """Which weights these are, versions, kind of device, dtype: plain JSON values."""
        return {
            "engine": "codi",
            **self._facts,
            "transformers": version("transformers"),
            "torch": version("torch"),
            **device_facts(self.model.device),
            "dtype": str(self.model.dtype).removeprefix("torch."),
        }

    @property
    def usage(self) -> Usage:
        """Seconds, memory and remarks up to now; its counts of completions stay 0."""
        self._meter.memory(peak_memory_bytes(self._device_type))
        return self._meter.reading()

    def reference(
        self,
        problems: Sequence[tuple[str, str]],
        settings: CodiSettings,
        batch_size: int = BATCH_SIZE,
    ) -> CodiReference:
        """How reference problems think, for ablations other than `zeros`.

        Takes 4 bytes times slots, ablated blocks and `d_model` for each problem.

        Args:
            problems: id and question of each; what does not fit the context is left out.
            settings: protocol, slots and ablated blocks.
            batch_size: problems at once; halves itself when memory runs out.

        Raises:
            UsageError: no problem is left, an id occurs twice, or the layer does not exist.
            EngineMemoryError: out of memory with a batch of one.
        """
        layers = ablated_layers(settings.ablation.layer, self.n_layers)
        questions, _ = self._encoded(problems, settings)
        ids = tuple(question.id for question in questions)
        if not ids or len(set(ids)) < len(ids):
            raise UsageError(
                "Reference problems can't be used",
                where="reference",
                expected="one or more problems that fit the context, each once",
                got=f"{len(ids)} with {len(set(ids))} ids",
                fix="give other problems",
            )
        by_length = sorted(questions, key=lambda question: -len(question.token_ids))
        batches = self._batches(batch_size, "reference states")
        with self._meter.running():
            states = list(
                batches.map(by_length, lambda batch: self._runs.thoughts(batch, settings, layers))
            )
        by_id = dict(zip((question.id for question in by_length), states, strict=True))
        stacked = torch.stack([by_id[problem_id] for problem_id in ids])
        return CodiReference(ids, layers, settings.protocol, stacked)

    def compare(
        self,
        problems: Sequence[tuple[str, str]],
        settings: CodiSettings,
        reference: CodiReference | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> list[CodiComparison | QuarryError]:
        """Answer every problem with its thoughts and with these ablated.

        Args:
            problems: id and question of each.
            settings: how the model is run and what is ablated.
            reference: states of reference problems, for ablations other than `zeros`.
            batch_size: problems at once; halves itself when memory runs out.

        Returns:
            One entry a problem, in order. What is wrong with a single problem is its entry and
            loses no other: `PromptTooLongError` (it does not fit the context), `UsageError` (no
            text), `IntegrityError` (a logit is not finite), `EngineMemoryError` (out of memory with
            a batch of one).

        Raises:
            UsageError: the layer does not exist, or the reference is missing or of other settings.
        """
        layers = ablated_layers(settings.ablation.layer, self.n_layers)
        check_reference(settings, layers, reference)
        questions, entries = self._encoded(problems, settings)
        by_length = sorted(questions, key=lambda question: -len(question.token_ids))
        with self._meter.running():
            results = self._in_batches(
                by_length,
                lambda batch: self._both(batch, settings, layers, reference),
                batch_size,
            )
        for question, result in zip(by_length, results, strict=True):
            entries[question.place] = result
        return [entries[place] for place in range(len(problems))]

    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""
        if self._model is not None:
            self._model = None
            del self._runs
            release_memory()

    def __enter__(self) -> Self:
        """The model itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _encoded(
        self, problems: Sequence[tuple[str, str]], settings: CodiSettings
    ) -> tuple[list[Question], dict[int, CodiComparison | QuarryError]]:
        """Questions that can be run, and by place what is wrong with the others."""
        _ = self.model  # says so if it was closed
        questions: list[Question] = []
        refused: dict[int, CodiComparison | QuarryError] = {}
        for place, (problem_id, text) in enumerate(problems):
            try:
                ids = self._questions.encode(problem_id, text, settings)
            except QuarryError as error:
                refused[place] = error
            else:
                questions.append(Question(place, problem_id, ids))
        return questions, refused

    def _batches(self, batch_size: int, purpose: str) -> AdaptiveBatches:
        """Batches of at most what was found to fit."""
        if batch_size < 1:
            raise UsageError(
                "A batch can't be empty",
                where="batch_size",
                expected="1 or more",
                got=str(batch_size),
                fix="correct `batch_size`",
            )
        size = min(batch_size, self._largest_batch or batch_size)
        return AdaptiveBatches(size, purpose, self._meter.remark)

    def _in_batches(
        self,
        questions: Sequence[Question],
        work: Callable[[Sequence[Question]], list[CodiComparison | QuarryError]],
        batch_size: int,
    ) -> list[CodiComparison | QuarryError]:
        """One result a question; one that does not fit the memory alone loses no other."""
        batches = self._batches(batch_size, "comparison")
        asked = batches.size
        results: list[CodiComparison | QuarryError] = []
        while len(results) < len(questions):
            try:
                for result in batches.map(questions[len(results) :], work):
                    results.append(result)  # those before an error are kept
            except EngineMemoryError as error:
                results.append(error.with_traceback(None))
        if batches.size < asked:
            self._largest_batch = batches.size
        return results

    def _both(
        self,
        batch: Sequence[Question],
        settings: CodiSettings,
        layers: tuple[int, ...],
        reference: CodiReference | None,
    ) -> list[CodiComparison | QuarryError]:
        """Both answers to each problem of a batch."""
        pairs = self._runs.both(batch, settings, layers, reference)
        return [
            self._comparison(question.id, *pair)
            for question, pair in zip(batch, pairs, strict=True)
        ]

    def _comparison(
        self, problem_id: str, baseline: Answer, ablated: Answer
    ) -> CodiComparison | QuarryError:
        """The record of two answers, or what is wrong with one of them."""
        if not (baseline.is_finite and ablated.is_finite):
            return no_answer(problem_id, "baseline" if ablated.is_finite else "ablated")
        return CodiComparison(
            id=problem_id,
            baseline=self._text(baseline),
            ablated=self._text(ablated),
            baseline_ids=tuple(baseline.ids),
            ablated_ids=tuple(ablated.ids),
            is_baseline_complete=baseline.is_complete,
            is_ablated_complete=ablated.is_complete,
        )

    def _text(self, answer: Answer) -> str:
        """Text of an answer, without the token that ends it."""
        return plain_text(self.tokenizer, answer.ids[:-1] if answer.is_complete else answer.ids)
