"""From a question's text to the token ids that a CODI model reads, if they fit its context."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from quarry.errors import PromptTooLongError
from quarry.inference.codi.settings import CodiSettings
from quarry.inference.engine import Prompt
from quarry.inference.prompt_encoding import PromptEncoder


@dataclass(frozen=True)
class Question:
    """One problem, ready to be run.

    Args:
        place: where it stands in the call.
        id: the problem.
        token_ids: of its question alone.
    """

    place: int
    id: str
    token_ids: list[int]


class QuestionEncoder:
    """Encodes questions for one model.

    Args:
        tokenizer: the model's tokenizer.
        source: the checkpoint, for messages.
        context_length: most tokens, of question, thoughts and answer together.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, source: str, context_length: int
    ) -> None:
        """Nothing is encoded yet."""
        self._prompts = PromptEncoder(tokenizer, source, context_length)
        self._context_length = context_length

    def encode(self, problem_id: str, question: str, settings: CodiSettings) -> list[int]:
        """Token ids of a question, written as the model was trained on it.

        Raises:
            UsageError: the question has no tokens.
            PromptTooLongError: question, thoughts and answer do not fit the context.
        """
        # So did the code that the published models were trained with.
        text = question.strip().replace("  ", " ")
        ids = self._prompts.encode(Prompt(problem_id, text))[1]
        # The end-of-thought token takes a place, the last token of the answer none.
        n_others = settings.n_latents + settings.max_new_tokens + (settings.protocol == "paper")
        if len(ids) + n_others > self._context_length:
            raise PromptTooLongError(
                "A question does not fit the model's context",
                where=f"problem {problem_id}",
                expected=f"at most {self._context_length - n_others} tokens "
                f"({self._context_length} in all, {n_others} of them for thoughts and answer)",
                got=f"{len(ids)} tokens",
                fix="leave the problem out, or use fewer new tokens",
            )
        return ids
