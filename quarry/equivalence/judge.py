"""`Judge`: one request to a language model about one item.

How often to ask, what is kept and what it may cost is `judged`'s business; what is asked and how a
reply is read is in `judge_prompt` and `judge_reply`, the same for all judges.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import Any, Final

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judge_answer import Answer, Price, Reply
from quarry.equivalence.judge_prompt import (
    PROMPT_VERSION,
    REPLY_SCHEMA_TEXT,
    system_prompt,
    user_message,
)
from quarry.equivalence.judge_reply import read_reply
from quarry.equivalence.rubric import Rubric

_OVERHEAD_TOKENS: Final = 1_000
"""What a provider may add to a request: its own words about the reply's form, role markers."""


class Judge(ABC):
    """A language model that is asked about one item at a time.

    Args:
        kind: how it is reached, such as `anthropic`.
        model: its id, as the provider takes it.
        price: of its tokens.
        max_output_tokens: most tokens of a reply, thinking included.
        parameters: all else that a verdict depends on, as plain JSON.
    """

    def __init__(
        self,
        kind: str,
        model: str,
        *,
        price: Price,
        max_output_tokens: int,
        parameters: dict[str, Any],
    ) -> None:
        self.kind = kind
        self.model = model
        self.price = price
        self.max_output_tokens = max_output_tokens
        self._parameters = {"max_output_tokens": max_output_tokens, **parameters}

    @property
    def most_concurrent(self) -> int | None:
        """How many requests it takes at once; None for as many as one likes."""
        return None

    def describe(self) -> dict[str, Any]:
        """What a verdict depends on beside rubric and item; no key, no address."""
        return {
            "kind": self.kind,
            "model": self.model,
            "prompt_version": PROMPT_VERSION,
            "parameters": self._parameters,
        }

    def ask(self, item: GradingItem, rubric: Rubric) -> Reply:
        """Ask once.

        Raises:
            RequestFailedError: there is no verdict, for a reason that concerns this request.
            JudgeRefusedError: no request will be answered before a person has acted.
        """
        request_name = secrets.token_hex(8)
        text, answer = self.send(system_prompt(rubric), user_message(item, request_name))
        return read_reply(text, item, request_name, answer)

    def most_tokens(self, item: GradingItem, rubric: Rubric) -> tuple[int, int]:
        """Upper bounds of the tokens of the request and of the reply.

        No tokenizer in use makes more tokens than there are bytes.
        """
        texts = (system_prompt(rubric), user_message(item, "0" * 16), REPLY_SCHEMA_TEXT)
        n_bytes = sum(len(text.encode()) for text in texts)
        return n_bytes + _OVERHEAD_TOKENS, self.max_output_tokens

    @abstractmethod
    def send(self, system: str, user: str) -> tuple[str, Answer]:
        """Send one request; returns what is in the field of the structured reply, and its bill.

        Raises:
            RequestFailedError: see `ask`.
            JudgeRefusedError: see `ask`.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up connections and models; a second call does nothing."""
