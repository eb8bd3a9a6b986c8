"""`TransformersEngine`: the inference contract on top of transformers, on CPU or GPU.

Completions are generated in windows of a few batches, sorted by length inside a window; then the
states are captured in prompt order, so that memory holds the token ids of one window and the states
of one batch. The parts live in `checkpoint`, `prompt_encoding`, `generation`, `capture`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel

from quarry.errors import UsageError
from quarry.inference.batching import AdaptiveBatches, release_memory
from quarry.inference.capture import HiddenStateCapture, TokenSpan, decoder_blocks
from quarry.inference.checkpoint import Checkpoint, read_checkpoint, resolve_device
from quarry.inference.checkpoint_engine import CheckpointEngine, Request, closed_engine
from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    Prompt,
    Usage,
)
from quarry.inference.generation import Decoder, Generated
from quarry.inference.memory import peak_memory_bytes
from quarry.inference.request_checks import check_layers, checked_ids
from quarry.inference.shared_prefixes import generate_shared
from quarry.inference.torch_device import device_facts, settle_on
from quarry.inference.usage_meter import UsageMeter

# Sorting by length saves padding; more batches a window save more but delay the first result.
_BATCHES_PER_WINDOW = 4
_MOST_SHARED = 4096
"""Completions of one prompt that are decoded together; memory holds their token ids."""


class TransformersEngine(CheckpointEngine):
    """Runs one checkpoint with transformers.

    Rows are independent of their batch up to the rounding of floating point: another batch size can
    change a hidden state in its last digits, and a token only where two are equally likely.

    Args:
        checkpoint: model and tokenizer.
        batch_size: sequences at once; halves itself when memory runs out.
        meter: counts what is done; may have counted the time that loading took.
    """

    def __init__(
        self, checkpoint: Checkpoint, batch_size: int = 16, meter: UsageMeter | None = None
    ) -> None:
        """Find blocks and special tokens once."""
        if batch_size < 1:
            raise UsageError(
                "A batch can't be empty",
                where="batch_size",
                expected="1 or more",
                got=str(batch_size),
                fix="correct `batch_size` of the model in the catalog",
            )
        model = checkpoint.model
        super().__init__(
            checkpoint.source, checkpoint.tokenizer, model.config, model.generation_config
        )
        self._identity = checkpoint.identity
        self._device_type = model.device.type
        settle_on(model.device)
        self._model: PreTrainedModel | None = model
        self._batch_size = batch_size
        pad_id = min(self._end_ids, default=0)
        self._decoder = Decoder(model, checkpoint.tokenizer, self._end_ids, pad_id)
        self._capture = HiddenStateCapture(model, decoder_blocks(model), pad_id)
        self._meter = meter or UsageMeter(n_devices=int(model.device.type == "cuda"))
        self._generation_batches = AdaptiveBatches(batch_size, "generation", self._meter.remark)
        self._capture_batches = AdaptiveBatches(batch_size, "capture", self._meter.remark)

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        batch_size: int = 16,
    ) -> Self:
        """Read a checkpoint from a directory or the hub.

        Args:
            source: a directory, or a hub id.
            revision: the hub revision.
            dtype: `auto` (float32 on a CPU, else the checkpoint's), `float32`, `bfloat16`,
                `float16`.
            device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
            batch_size: sequences at once.

        Raises:
            ModelLoadError: it is missing, damaged, incomplete or no causal language model.
            EngineMemoryError: the weights do not fit the device.
        """
        meter = UsageMeter(n_devices=int(resolve_device(device).type == "cuda"))
        with meter.starting():
            checkpoint = read_checkpoint(source, revision=revision, dtype=dtype, device=device)
        return cls(checkpoint, batch_size, meter)

    @property
    def model(self) -> PreTrainedModel:
        """The model itself, for hooks and inspection.

        Raises:
            UsageError: the engine is closed.
        """
        if self._model is None:
            raise closed_engine(self._source)
        return self._model

    def describe(self) -> dict[str, Any]:
        """Engine, versions, kind of device, dtype, weights, and the batch size asked for."""
        return {
            "engine": "transformers",
            "weights": self._identity,
            "transformers": version("transformers"),
            "torch": version("torch"),
            **device_facts(self.model.device),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "batch_size": self._batch_size,
        }

    def run(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        capture: CaptureSpec | None = None,
    ) -> Iterator[Completion]:
        """Yield completions in order; all prompts are checked before the first is run.

        Raises:
            PromptTooLongError: a prompt and `max_new_tokens` do not fit `context_length`.
            EngineMemoryError: out of memory with a batch of one.
            IntegrityError: a hidden state is not finite or too large for float16.
            UsageError: a layer to capture does not exist.
        """
        _ = self.model  # says so if the engine is closed
        requests = self._requests(prompts, parameters, capture.layers if capture else ())
        return self._meter.counted(self._completions(requests, parameters, capture))

    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        """Hidden states of given token ids, `(n_tokens, n_layers, d_model)` float16 each.

        Raises:
            UsageError: a layer does not exist, or a sequence is empty or too long.
            EngineMemoryError: out of memory with a batch of one.
            IntegrityError: a state is not finite or too large for float16.
        """
        _ = self.model  # says so if the engine is closed
        check_layers(layers, self._n_layers)
        spans = [
            TokenSpan(f"sequence {number}", checked_ids(ids, self._context_length), 0, len(ids))
            for number, ids in enumerate(sequences)
        ]
        return self._capture_batches.map(
            spans, lambda batch: self._capture.states(batch, tuple(layers))
        )

    @property
    def usage(self) -> Usage:
        """What was done and used up to now."""
        self._meter.memory(peak_memory_bytes(self._device_type))
        return self._meter.reading()

    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""
        if self._model is None:
            return
        self._model = None
        del self._decoder, self._capture
        release_memory()

    def _completions(
        self,
        requests: Sequence[Request],
        parameters: GenerationParameters,
        capture: CaptureSpec | None,
    ) -> Iterator[Completion]:
        """Generate and capture window by window."""
        for window in self._windows(requests, parameters.n):
            generated = self._generate(window, parameters)
            if capture is None:
                yield from (_completion(row, None) for row in generated)
                continue
            spans = [_span(row, capture) for row in generated]
            states = self._capture_batches.map(
                spans, lambda batch: self._capture.states(batch, capture.layers)
            )
            yield from map(_completion, generated, states)

    def _windows(self, requests: Sequence[Request], n: int) -> Iterator[Sequence[Request]]:
        """Requests that are generated before the next are looked at.

        Of a prompt with many completions, only its own: what they have in common is shared then.
        """
        if not self._is_shared(n):
            width = _BATCHES_PER_WINDOW * self._batch_size
            return (requests[start : start + width] for start in range(0, len(requests), width))
        return (
            requests[start : min(start + _MOST_SHARED, of_prompt + n)]
            for of_prompt in range(0, len(requests), n)
            for start in range(of_prompt, of_prompt + n, _MOST_SHARED)
        )

    def _is_shared(self, n: int) -> bool:
        """Whether completions of a prompt fill a batch by themselves."""
        return n > 1 and n >= self._batch_size

    def _generate(
        self, requests: Sequence[Request], parameters: GenerationParameters
    ) -> list[Generated]:
        """Completions of one window, longest prompts batched together, in order of `requests`."""
        if self._is_shared(parameters.n):
            return self._generation_batches.within(
                lambda most: generate_shared(self._decoder, requests, parameters, most)
            )
        by_length = sorted(requests, key=lambda request: -len(request.prompt_ids))
        rows = self._generation_batches.map(
            by_length, lambda batch: self._decoder.generate(batch, parameters)
        )
        return sorted(
            rows, key=lambda row: (row.request.prompt_index, row.request.completion_index)
        )


def _span(row: Generated, capture: CaptureSpec) -> TokenSpan:
    """The whole sequence and the part of it that the scope keeps."""
    ids = [*row.request.prompt_ids, *row.output_ids]
    n_prompt = len(row.request.prompt_ids)
    start = n_prompt if capture.scope == "output" else 0
    stop = n_prompt if capture.scope == "prompt" else len(ids)
    return TokenSpan(row.request.sample_id, ids, start, stop)


def _completion(row: Generated, states: npt.NDArray[np.float16] | None) -> Completion:
    """The record of the contract."""
    assert row.finish_reason is not None  # `generate` returns finished rows only
    return Completion(
        prompt_index=row.request.prompt_index,
        completion_index=row.request.completion_index,
        prompt_text=row.request.prompt_text,
        prompt_token_ids=np.array(row.request.prompt_ids, dtype=np.int32),
        output_token_ids=np.array(row.output_ids, dtype=np.int32),
        text=row.text,
        finish_reason=row.finish_reason,
        hidden_states=states,
    )
