"""`VllmEngine`: the inference contract on top of vLLM, on GPUs or, for tests, on a CPU.

vLLM runs in a process of its own (`quarry.inference.host`), with its own interpreter if need be.
One pass generates and captures; prompts that are sampled several times are computed once.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from quarry.inference.checkpoint import CheckpointOutline, read_outline
from quarry.inference.checkpoint_engine import CheckpointEngine, Request, closed_engine
from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    Prompt,
    Usage,
)
from quarry.inference.engine_settings import EngineSettings
from quarry.inference.host.interpreter import require_vllm
from quarry.inference.request_checks import check_layers, checked_ids
from quarry.inference.stopping import StopDetector, plain_text
from quarry.inference.usage_meter import UsageMeter
from quarry.inference.vllm_hosts import HostSupply
from quarry.inference.vllm_requests import check_temperature
from quarry.inference.vllm_run import Answer, VllmRun
from quarry.inference.vllm_start import device_facts, start_settings


class VllmEngine(CheckpointEngine):
    """Runs one checkpoint with vLLM; the process starts with the first request.

    Rows are independent of their batch up to the rounding of floating point, as in every engine.

    Args:
        outline: config and tokenizer of the checkpoint.
        supply: gives the process that runs vLLM; closed with the engine.
        versions: of vLLM and torch in their interpreter.
        batch_size: sequences at once.
        meter: counts what is done.
    """

    def __init__(
        self,
        outline: CheckpointOutline,
        supply: HostSupply,
        versions: dict[str, str],
        batch_size: int,
        meter: UsageMeter,
    ) -> None:
        """Nothing is started yet."""
        super().__init__(
            outline.source, outline.tokenizer, outline.config, outline.generation_config
        )
        self._outline = outline
        self._supply = supply
        self._versions = versions
        self._batch_size = batch_size
        self._meter = meter
        self._is_closed = False
        self._special_ids = frozenset(int(token) for token in outline.tokenizer.all_special_ids)

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        batch_size: int = 16,
        settings: EngineSettings | None = None,
    ) -> Self:
        """Read config and tokenizer of a checkpoint; vLLM itself starts with the first request.

        Args:
            source: a directory, or a hub id.
            revision: the hub revision.
            dtype: `auto` (float32 on a CPU, else the checkpoint's), `float32`, `bfloat16`,
                `float16`.
            batch_size: sequences at once; halves itself when memory runs out.
            settings: devices, memory, and the interpreter that has vLLM.

        Raises:
            ModelLoadError: the checkpoint is missing, damaged or no causal language model, or the
                interpreter has no vLLM.
        """
        chosen = settings or EngineSettings(engine="vllm")
        versions = require_vllm(chosen.vllm_python)
        outline = read_outline(source, revision=revision)
        start = start_settings(outline, dtype, batch_size, chosen)
        meter = UsageMeter(n_devices=0 if start.is_on_cpu else len(start.devices))
        supply = HostSupply(
            start,
            python=chosen.vllm_python,
            keep_open=chosen.lease_fds,
            spool_bytes=chosen.spool_bytes,
            meter=meter,
        )
        return cls(outline, supply, versions, batch_size, meter)

    def describe(self) -> dict[str, Any]:
        """Engine, versions, kind of device, dtype, weights, and the batch size asked for."""
        start = self._supply.settings
        return {
            "engine": "vllm",
            "weights": self._outline.identity,
            **self._versions,
            **device_facts(start),
            "dtype": start.dtype,
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
            EngineMemoryError: out of memory at the smallest batch.
            EngineDiedError: vLLM's process has ended.
            ModelLoadError: vLLM can't run this model.
            IntegrityError: a hidden state is missing, not finite or too large for float16.
            UsageError: a layer to capture does not exist, or the temperature is above 2.
        """
        self._require_open()
        check_temperature(parameters)
        requests = self._requests(prompts, parameters, capture.layers if capture else ())
        answers = self._answers(requests, parameters, capture, self._end_ids)
        return self._meter.counted(self._completion(answer, parameters) for answer in answers)

    def states(
        self, sequences: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> Iterator[npt.NDArray[np.float16]]:
        """Hidden states of given token ids, `(n_tokens, n_layers, d_model)` float16 each.

        Raises:
            UsageError: a layer does not exist, or a sequence is empty or too long.
            EngineMemoryError: out of memory at the smallest batch.
            EngineDiedError: vLLM's process has ended.
            IntegrityError: a hidden state is missing, not finite or too large for float16.
        """
        self._require_open()
        check_layers(layers, self._n_layers)
        requests = [
            Request(n, 0, f"sequence {n}", "", checked_ids(ids, self._context_length))
            for n, ids in enumerate(sequences)
        ]
        one_token = GenerationParameters(max_new_tokens=1)
        capture = CaptureSpec(tuple(layers), "prompt")
        return self._only_states(self._answers(requests, one_token, capture, frozenset()))

    @property
    def usage(self) -> Usage:
        """What was done and used up to now."""
        self._supply.measure()
        return self._meter.reading()

    def close(self) -> None:
        """End vLLM's process; a second call does nothing."""
        if not self._is_closed:
            self._supply.close()
        self._is_closed = True

    def _require_open(self) -> None:
        """Refuse to work after `close`."""
        if self._is_closed:
            raise closed_engine(self._source)

    def _answers(
        self,
        requests: Sequence[Request],
        parameters: GenerationParameters,
        capture: CaptureSpec | None,
        end_ids: frozenset[int],
    ) -> Iterator[Answer]:
        """Run requests; a process is started only if there are any."""
        if not requests:
            return iter(())
        run = VllmRun(
            self._supply, requests, parameters, capture, sorted(end_ids), self._d_model,
            most_at_once=self._batch_size,
        )  # fmt: skip
        return run.answers()

    def _only_states(self, answers: Iterator[Answer]) -> Iterator[npt.NDArray[np.float16]]:
        """The states of each answer; the time counts as running."""
        with self._meter.running():
            for answer in answers:
                assert answer.states is not None, "states were asked for"
                yield answer.states

    def _completion(self, answer: Answer, parameters: GenerationParameters) -> Completion:
        """The record of the contract, its text decoded as the transformers engine decodes it."""
        request, ids = answer.request, answer.output_ids
        return Completion(
            prompt_index=request.prompt_index,
            completion_index=request.completion_index,
            prompt_text=request.prompt_text,
            prompt_token_ids=np.array(request.prompt_ids, dtype=np.int32),
            output_token_ids=np.array(ids, dtype=np.int32),
            text=self._text(ids, parameters),
            finish_reason=answer.finish_reason,
            hidden_states=answer.states,
        )

    def _text(self, ids: Sequence[int], parameters: GenerationParameters) -> str:
        """The decoded output before its end token or stop string."""
        if ids[-1] in self._end_ids:
            return plain_text(self._tokenizer, ids[:-1])
        decode = partial(plain_text, self._tokenizer)
        before_stop = StopDetector(parameters.stop, decode, self._special_ids).text_before_stop(ids)
        return decode(ids) if before_stop is None else before_stop
