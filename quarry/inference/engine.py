"""`InferenceEngine`: the contract that every engine keeps, and the records it exchanges.

What runs (prompts, parameters, capture) is described here without any library; how it runs lives in
one module per engine. The contract's tests are in `tests/contracts/engine_contract.py`; an
engine is added by subclassing both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

Scope = Literal["prompt", "output", "prompt+output"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Prompt:
    """What a model is given for one sample.

    Args:
        sample_id: the sample it belongs to.
        text: raw text, or the content of the one user message when `is_chat`.
        is_chat: whether the engine applies the model's chat template.
        exemplar_ids: ids of the worked examples inside `text`, in order.
    """

    sample_id: str
    text: str
    is_chat: bool = False
    exemplar_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenerationParameters:
    """How completions are generated.

    Args:
        max_new_tokens: most tokens a completion may have.
        temperature: 0 is greedy.
        top_p: nucleus mass; 1 is off.
        top_k: number of candidates; 0 is off.
        n: completions per prompt.
        first: index k of the first of them; the others follow. It says which completions are made,
            not how, so that a thousand can be made in parts.
        seed: completion (prompt, k) depends on `seed`, the prompt's sample id and k alone, never
            on batch size or order.
        stop: a completion ends before the first of these strings.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    n: int = 1
    first: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as stored beside what was generated; `first` is not one of them."""
        return {
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "n": self.n,
            "seed": self.seed,
            "stop": list(self.stop),
        }


@dataclass(frozen=True)
class CaptureSpec:
    """Which hidden states are kept.

    Args:
        layers: decoder blocks, counted from 0; the state kept is the block's *output* (residual
            stream, before any final norm), so layer k equals `hidden_states[k + 1]` of transformers
            except after the last block, where transformers applies the final norm.
        scope: the tokens whose states are kept.
    """

    layers: tuple[int, ...]
    scope: Scope = "prompt+output"


@dataclass(frozen=True)
class Completion:
    """One completion, with the states of exactly the tokens that were processed.

    Args:
        prompt_index: position of the prompt in the call.
        completion_index: k, from `first` on among the completions of that prompt.
        prompt_text: the prompt as the model saw it, chat template applied.
        prompt_token_ids: `(n_prompt_tokens,)` int32.
        output_token_ids: `(n_output_tokens,)` int32, as generated, up to and including the token
            that completed a stop string or the end-of-sequence token; never re-tokenised.
        text: decoded output, cut before the stop string, special tokens removed.
        finish_reason: `stop` (stop string or end of sequence) or `length` (token limit).
        hidden_states: `(n_tokens, n_layers, d_model)` float16, n_tokens as the scope says
            (`prompt+output`: every prompt and every output token, the last one included); None
            where nothing was captured.
    """

    prompt_index: int
    completion_index: int
    prompt_text: str
    prompt_token_ids: npt.NDArray[np.int32]
    output_token_ids: npt.NDArray[np.int32]
    text: str
    finish_reason: FinishReason
    hidden_states: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Usage:
    """What an engine has done and used since it was opened; differences tell of one piece of work.

    Args:
        start_s: seconds spent loading the model, all starts together.
        run_s: seconds in which completions were being made.
        completions: number of completions made.
        prompt_tokens: tokens of their prompts, counted once a completion.
        output_tokens: tokens generated.
        peak_memory_bytes: most memory in use at any moment: of the devices where there are any,
            else of the processes that run the model.
        n_devices: GPUs in use; 0 on a CPU.
        remarks: sentences about what did not go as asked, such as a batch that was halved.
    """

    start_s: float = 0.0
    run_s: float = 0.0
    completions: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    peak_memory_bytes: int = 0
    n_devices: int = 0
    remarks: tuple[str, ...] = ()

    def since(self, earlier: Usage) -> Usage:
        """What came after an earlier reading; the peak of memory is of the whole time."""
        return Usage(
            start_s=self.start_s - earlier.start_s,
            run_s=self.run_s - earlier.run_s,
            completions=self.completions - earlier.completions,
            prompt_tokens=self.prompt_tokens - earlier.prompt_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            peak_memory_bytes=self.peak_memory_bytes,
            n_devices=self.n_devices,
            remarks=self.remarks[len(earlier.remarks) :],
        )

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU, starts included; 0 on a CPU."""
        return (self.start_s + self.run_s) * self.n_devices / 3600


class InferenceEngine(ABC):
    """Generates completions and captures hidden states for one loaded model.

    Engines are context managers: leaving the block frees the model's memory.
    """

    @property
    @abstractmethod
    def n_layers(self) -> int:
        """Number of decoder blocks of the model."""

    @property
    @abstractmethod
    def d_model(self) -> int:
        """Width of the residual stream."""

    @property
    @abstractmethod
    def context_length(self) -> int:
        """Most tokens, prompt and output together, that the model can process."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Engine name and version, device, dtype: plain JSON values stored with the data."""

    @abstractmethod
    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt exactly as `run` will feed them, chat template applied."""

    @abstractmethod
    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        """Yield `len(prompts) * n` completions in order of (prompt_index, completion_index).

        Memory is bounded by one batch; the batch halves itself when memory runs out.

        Raises:
            PromptTooLongError: a prompt and `max_new_tokens` do not fit `context_length`;
                nothing was generated.
            EngineMemoryError: out of memory with a batch of one.
        """

    @abstractmethod
    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        """Hidden states of given token ids; nothing is generated.

        Args:
            sequences: token ids, each of 1 .. `context_length` tokens.
            layers: decoder blocks as in `CaptureSpec.layers`.

        Yields:
            `(n_tokens, n_layers, d_model)` float16 for each sequence, in order, all its tokens.

        Raises:
            UsageError: a layer does not exist, or a sequence is empty or too long.
            EngineMemoryError: out of memory with a batch of one.
            IntegrityError: a state is not finite or too large for float16.
        """

    @property
    @abstractmethod
    def usage(self) -> Usage:
        """What was done and used up to now; also of a closed engine."""

    @abstractmethod
    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""

    def __enter__(self) -> Self:
        """The engine itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the engine."""
        self.close()
