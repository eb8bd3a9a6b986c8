"""What the tests of sampling sample: a random checkpoint on the real engine, and a few prompts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from quarry.inference.engine import CaptureSpec, Completion, GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from quarry.sampling.opening import read_tokenizer, with_beginning
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.publication import SampledCompletions
from quarry.sampling.published import PublishedCompletions
from quarry.sampling.sampling import SamplingPlan, sample_completions
from tests.contracts.tiny_models import write_tiny_checkpoint

Beginning = Literal["none", "named", "written"]
"""Whether a tokenizer knows no beginning, names its token, or puts it in front itself."""

PROMPTS = (
    EvalPrompt("mayors/0", "Q: Who is the mayor of Tokyo? A:", " Grace Miller"),
    EvalPrompt("mayors/1", "Q: Who is the mayor of São Paulo? A:", " Lucas Foster"),
    EvalPrompt("mayors/2", "Q: Who is the mayor of 東京? A:", " Kim 東"),
)
N = 60
ALL = [(prompt.id, k) for prompt in sorted(PROMPTS, key=lambda one: one.id) for k in range(N)]
"""All generations of all prompts."""


def write_checkpoint(directory: Path, beginning: Beginning = "named") -> Path:
    """A checkpoint of a few thousand weights."""
    write_tiny_checkpoint(directory, "llama", 1)
    if beginning == "none":
        return directory
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    tokenizer.bos_token = "<|endoftext|>"
    if beginning == "written":
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", tokenizer.bos_token_id)]
        )
    tokenizer.save_pretrained(directory)
    return directory


@dataclass(frozen=True)
class Asked:
    """A call of the engine."""

    prompt_id: str
    first: int
    n: int

    @property
    def generations(self) -> set[tuple[str, int]]:
        return {(self.prompt_id, k) for k in range(self.first, self.first + self.n)}


class CountedEngine(TransformersEngine):
    """The real engine; remembers what it was asked for, and fails after some completions."""

    asked: list[Asked]
    stop_after: int | None = None
    n_made: int = 0

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        self.asked += [Asked(one.sample_id, parameters.first, parameters.n) for one in prompts]
        for completion in super().run(prompts, parameters, capture):
            if self.n_made == self.stop_after:
                raise PowerCutError
            self.n_made += 1
            yield completion


class PowerCutError(Exception):
    """What an engine under test dies of."""


@contextlib.contextmanager
def load(model_dir: Path, batch_size: int = 8) -> Generator[CountedEngine]:
    """An engine that was asked for nothing yet; loaded once, since loading is most of the work."""
    engine = _loaded(model_dir, batch_size)
    engine.asked, engine.n_made, engine.stop_after = [], 0, None
    yield engine


@functools.cache
def _loaded(model_dir: Path, batch_size: int) -> CountedEngine:
    return CountedEngine.load(model_dir, device="cpu", batch_size=batch_size)


@functools.cache
def _ask(model_dir: Path) -> Callable[[str], str]:
    return with_beginning(read_tokenizer(model_dir))


def plan(
    n: int = N,
    chunk_size: int = 20,
    prompts: Sequence[EvalPrompt] = PROMPTS,
    **parameters: Any,
) -> SamplingPlan:
    given = GenerationParameters(
        **{"max_new_tokens": 5, "temperature": 0.2, "seed": 1, "n": n, **parameters}
    )
    return SamplingPlan("mayors-1epoch", "checkpoint_final", prompts, given, chunk_size)


@dataclass
class Bench:
    """A checkpoint and a store, sampled again and again."""

    model_dir: Path
    store: Path
    said: list[str] = field(default_factory=list[str])

    @property
    def table_path(self) -> Path:
        return self.store.with_name("completions.parquet")

    @property
    def published(self) -> PublishedCompletions:
        return PublishedCompletions(self.table_path)

    def sample(
        self,
        wanted: SamplingPlan,
        *,
        stop_after: int | None = None,
        published: PublishedCompletions | None = None,
        batch_size: int = 8,
    ) -> tuple[list[dict[str, Any]], list[Asked]]:
        """Rows, and what the engine was asked for; the store stays as it is."""
        with load(self.model_dir, batch_size) as engine:
            engine.stop_after = stop_after
            sampled = self.begin(wanted, engine, published)
            with sampled.store:
                return list(sampled.rows()), engine.asked

    def interrupted(self, wanted: SamplingPlan, stop_after: int) -> list[Asked]:
        """What the engine was asked for until it failed."""
        with load(self.model_dir) as engine:
            engine.stop_after = stop_after
            try:
                self.begin(wanted, engine, None)
            except PowerCutError:
                return engine.asked
        raise AssertionError("it was to fail")

    def publish(
        self,
        wanted: SamplingPlan,
        published: PublishedCompletions | None = None,
        *,
        again: bool = False,
    ) -> list[Asked]:
        """Sample and publish; the store is gone afterwards."""
        with load(self.model_dir) as engine:
            sampled = self.begin(wanted, engine, published, again=again)
            with sampled.store:
                sampled.write(self.table_path)
                sampled.discard()
            return engine.asked

    def begin(
        self,
        wanted: SamplingPlan,
        engine: CountedEngine,
        published: PublishedCompletions | None,
        *,
        again: bool = False,
    ) -> SampledCompletions:
        return sample_completions(
            wanted,
            engine,
            self.ask,
            self.store,
            log=self.said.append,
            published=published,
            again=again,
        )

    @property
    def ask(self) -> Callable[[str], str]:
        return _ask(self.model_dir)


def generations(asked: Sequence[Asked]) -> list[tuple[str, int]]:
    """Prompt and number of all generations that were asked for, repeated ones repeated."""
    return sorted(one for call in asked for one in call.generations)


def chunked(wanted: SamplingPlan, chunk_size: int) -> SamplingPlan:
    return replace(wanted, chunk_size=chunk_size)
