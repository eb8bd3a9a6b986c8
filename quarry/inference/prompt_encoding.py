"""Prompt to token ids: the chat template, special tokens, and whether it fits the context.

How prompts are written lives with the benchmarks; what is done with the ids in `generation`.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from quarry.errors import ModelLoadError, PromptTooLongError, UsageError
from quarry.inference.engine import Prompt


class PromptEncoder:
    """Encodes prompts for one model.

    Args:
        tokenizer: the model's tokenizer.
        source: the checkpoint, for messages.
        context_length: most tokens, prompt and output together.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, source: str, context_length: int
    ) -> None:
        """Nothing is encoded yet."""
        self._tokenizer = tokenizer
        self._source = source
        self._context_length = context_length

    def encode(self, prompt: Prompt) -> tuple[str, list[int]]:
        """The prompt as the model sees it, as text and as token ids.

        Raises:
            ModelLoadError: a chat prompt, but the model has no chat template.
            UsageError: the prompt has no tokens.
        """
        text = self._apply_chat_template(prompt) if prompt.is_chat else prompt.text
        # A chat template writes its own special tokens.
        encoded: Any = self._tokenizer(text, add_special_tokens=not prompt.is_chat)
        ids = [int(token) for token in encoded["input_ids"]]
        if not ids:
            raise UsageError(
                "A prompt has no tokens",
                where=f"prompt of sample {prompt.sample_id}",
                expected="at least one token",
                got=repr(prompt.text),
                fix="correct the prompt's text",
            )
        return text, ids

    def encode_checked(self, prompt: Prompt, max_new_tokens: int) -> tuple[str, list[int]]:
        """As `encode`, for a prompt that must leave room for its completion.

        Raises:
            PromptTooLongError: prompt and completion do not fit the context.
        """
        text, ids = self.encode(prompt)
        room = self._context_length - max_new_tokens
        if len(ids) > room:
            raise PromptTooLongError(
                "A prompt does not fit the model's context",
                where=f"prompt of sample {prompt.sample_id}",
                expected=f"at most {room} tokens ({self._context_length} in all, "
                f"{max_new_tokens} of them for the completion)",
                got=f"{len(ids)} tokens",
                fix="use fewer exemplars or fewer new tokens, or set `overflow: truncate_left` "
                "for the benchmark",
            )
        return text, ids

    def _apply_chat_template(self, prompt: Prompt) -> str:
        """The one user message in the model's chat format, ready for the answer."""
        if self._tokenizer.chat_template is None:
            raise ModelLoadError(
                "A model has no chat template",
                where=f"tokenizer of {self._source}",
                expected="a chat template, since its prompts are chat messages",
                got="none",
                fix="set `prompt_style: raw` for this model in the catalog",
            )
        text: Any = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt.text}], add_generation_prompt=True, tokenize=False
        )
        return str(text)
