"""`CheckpointEngine`: what engines of a checkpoint share: sizes, tokenizer, requests."""

# transformers types its classes in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from quarry.errors import UsageError
from quarry.inference.engine import GenerationParameters, InferenceEngine, Prompt
from quarry.inference.prompt_encoding import PromptEncoder
from quarry.inference.request_checks import check_layers, end_token_ids


@dataclass(frozen=True)
class Request:
    """One completion to be generated."""

    prompt_index: int
    completion_index: int
    sample_id: str
    prompt_text: str
    prompt_ids: list[int]


class CheckpointEngine(InferenceEngine):
    """An engine of one checkpoint.

    Args:
        source: the checkpoint, for messages.
        tokenizer: its tokenizer.
        config: its config.
        generation_config: its generation config, which may name further end tokens.
    """

    def __init__(
        self,
        source: str,
        tokenizer: PreTrainedTokenizerBase,
        config: Any,
        generation_config: Any,
    ) -> None:
        """Look up sizes and special tokens once."""
        text_config = config.get_text_config()
        self._source = source
        self._tokenizer = tokenizer
        self._n_layers = int(text_config.num_hidden_layers)
        self._d_model = int(text_config.hidden_size)
        self._context_length = int(text_config.max_position_embeddings)
        self._end_ids = end_token_ids(tokenizer, config, generation_config)
        self._prompts = PromptEncoder(tokenizer, source, self._context_length)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return self._tokenizer

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks of the model."""
        return self._n_layers

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self._d_model

    @property
    def context_length(self) -> int:
        """Most tokens, prompt and output together."""
        return self._context_length

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, chat template applied.

        Raises:
            ModelLoadError: a chat prompt, but the model has no chat template.
            UsageError: the prompt has no tokens.
        """
        return self._prompts.encode(prompt)[1]

    def _requests(
        self,
        prompts: Sequence[Prompt],
        parameters: GenerationParameters,
        layers: Sequence[int],
    ) -> list[Request]:
        """All requests of a call, in order; what can't be run is refused before anything is.

        Raises:
            PromptTooLongError: a prompt and `max_new_tokens` do not fit the context.
            UsageError: a layer to capture does not exist.
        """
        check_layers(layers, self._n_layers)
        requests: list[Request] = []
        for index, prompt in enumerate(prompts):
            text, ids = self._prompts.encode_checked(prompt, parameters.max_new_tokens)
            wanted = range(parameters.first, parameters.first + parameters.n)
            requests += [Request(index, k, prompt.sample_id, text, ids) for k in wanted]
        return requests


def closed_engine(source: str) -> UsageError:
    """The error for a call of an engine that was closed."""
    return UsageError(
        "An engine was used after it was closed",
        where=f"engine of {source}",
        expected="an open engine",
        got="a closed one",
        fix="load the model again",
    )
