"""Samples many completions of each prompt: chunk by chunk, collapsed, safe, within bounded memory.

How completions are generated is the engine's business; what is kept of them, the store's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quarry.inference.engine import Completion, GenerationParameters, InferenceEngine, Prompt
from quarry.progress import ProgressLog
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.publication import SampledCompletions
from quarry.sampling.published import PublishedCompletions
from quarry.sampling.store import CompletionStore, Distinct
from quarry.sampling.versions import SAMPLING_VERSION

# What an engine says of itself that does not change a completion.
_INCIDENTAL = ("batch_size", "device", "device_name", "devices")


@dataclass(frozen=True)
class SamplingPlan:
    """What is sampled of one checkpoint.

    Args:
        run: the fine-tuning run.
        checkpoint: its checkpoint.
        prompts: in the order of the set.
        parameters: of generation; `n` generations a prompt.
        chunk_size: generations between two moments at which all are safe.
    """

    run: str
    checkpoint: str
    prompts: Sequence[EvalPrompt]
    parameters: GenerationParameters
    chunk_size: int

    def method(self, engine: Mapping[str, Any]) -> dict[str, Any]:
        """All that a completion depends on beside its prompt and its number."""
        parameters = self.parameters.as_dict()
        del parameters["n"]
        return {
            "version": SAMPLING_VERSION,
            "run": self.run,
            "checkpoint": self.checkpoint,
            "parameters": parameters,
            "engine": {name: engine[name] for name in engine if name not in _INCIDENTAL},
        }


def sample_completions(
    plan: SamplingPlan,
    engine: InferenceEngine,
    asked: Callable[[str], str],
    store: Path,
    *,
    log: Callable[[str], None],
    published: PublishedCompletions | None = None,
    again: bool = False,
) -> SampledCompletions:
    """Sample what is lacking, and hand out all of it, ready to be published.

    Generation k of a prompt draws from a stream of the seed, the prompt and k alone: whatever the
    size of the chunks and wherever it is interrupted, only a draw that the last digit of a logit
    decides can come out otherwise. A larger `n` keeps the generations of a smaller one.

    Args:
        plan: what is wanted.
        engine: the checkpoint, loaded.
        asked: a prompt's text as the model is fed, a beginning-of-sequence token in front.
        store: where completions are kept until they are published.
        log: takes lines about the progress.
        published: the table as it was published before. Generations of the same kind are taken from
            it and only the others are made: none where it has them all. A prompt of which it has
            more than are wanted is sampled anew, since a count tells nothing of a part.
        again: whether to make anew what is published. What an interrupted run left in the store is
            kept all the same.

    Raises:
        UsageError: another process is sampling this checkpoint.
        StorageFullError, DiskError: completions can't be kept; those of earlier chunks are safe.
        PromptTooLongError: a prompt does not fit the model.
        EngineMemoryError: not even one sequence fits the memory.
    """
    n, kept = plan.parameters.n, CompletionStore(store, plan.method(engine.describe()))
    try:
        sampled = SampledCompletions(plan.prompts, n, plan.method(engine.describe()), kept)
        if kept.damaged:
            log(f"the completions made before can't be read; they were moved to {kept.damaged}")
        if kept.n_discarded:
            log(f"{kept.n_discarded} generations made with other settings are not used")
        if published is not None and not again:
            sampled.take_over(published)
        n_kept = sampled.begin()
        total = n * len(plan.prompts)
        if n_kept:
            log(f"going on from {n_kept} of {total} generations that were made before")
        progress = ProgressLog(log, total, "generations", n_given=n_kept)
        n_done = n_kept
        for prompt in plan.prompts:
            for first in range(kept.n_done(prompt.id), n, plan.chunk_size):
                size = min(plan.chunk_size, n - first)
                _sample_chunk(plan, engine, asked, kept, prompt, first, size)
                n_done += size
                progress.update(n_done, made=n_done - n_kept)
    except BaseException:
        kept.close()
        raise
    return sampled


def _sample_chunk(
    plan: SamplingPlan,
    engine: InferenceEngine,
    asked: Callable[[str], str],
    kept: CompletionStore,
    prompt: EvalPrompt,
    first: int,
    size: int,
) -> None:
    """Generate a part of a prompt's completions and keep them."""
    parameters = replace(plan.parameters, n=size, first=first)
    question = Prompt(prompt.id, asked(prompt.text))
    completions = engine.run([question], parameters)
    token_ids = engine.encode(question)
    kept.add(prompt.id, token_ids, collapse(completions), first + size)


def collapse(completions: Iterable[Completion]) -> list[Distinct]:
    """Distinct texts with their counts, each with the tokens of the first that gave it."""
    firsts: dict[str, Completion] = {}
    counts: dict[str, int] = {}
    for completion in completions:
        firsts.setdefault(completion.text, completion)
        counts[completion.text] = counts.get(completion.text, 0) + 1
    return [
        Distinct(
            text,
            first.completion_index,
            counts[text],
            first.finish_reason,
            tuple(first.output_token_ids.tolist()),
        )
        for text, first in firsts.items()
    ]
