"""The passes of a CODI model over a batch: question, thoughts, answer.

The rows of a batch are padded on the left and share one key-value cache. What is done to the
thoughts comes from outside, as a context around each slot; nothing here knows of ablations.
"""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad as fill
from transformers import PreTrainedModel

from quarry.inference.batching import pad
from quarry.inference.codi.cache import can_join, join, keep_rows, order_without, roomy_cache

_NOT_FINITE = -1
_LIKE, _SMALLEST_GROUP = 0.85, 8


@dataclass(frozen=True)
class CodiTokens:
    """Tokens with a meaning of their own.

    Args:
        pad: fills short rows; attention never sees it.
        bot: begins a thought.
        eot: ends it, so that the answer follows; never part of an answer.
        ends: tokens that end an answer.
    """

    pad: int
    bot: int
    eot: int
    ends: frozenset[int]


@dataclass
class Rows:
    """A batch between two passes.

    Args:
        cache: keys and values of what was processed.
        mask: 1 where a token was, `(n_rows, n_processed)` int64.
        positions: of the last token, `(n_rows, 1)` int64.
        inputs: what comes next, `(n_rows, 1, d_model)`.
    """

    cache: Any
    mask: torch.Tensor
    positions: torch.Tensor
    inputs: torch.Tensor

    def double(self) -> None:
        """Go on with every row twice: all of them, and then all of them again."""
        index = torch.arange(len(self.mask), device=self.mask.device).repeat(2)
        self.cache.batch_select_indices(index)
        self._take(index)

    def drop(self, rows: set[int]) -> list[int]:
        """Let rows leave; which row now stands at each place."""
        order = order_without(rows, len(self.mask))
        keep_rows(self.cache, order, self.mask.device)
        self._take(torch.tensor(order, device=self.mask.device))
        return order

    def step(self) -> None:
        """Make room for one more token a row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(self.mask), 1))], dim=-1)
        self.positions = self.positions + 1

    def _take(self, index: torch.Tensor) -> None:
        """All but the cache."""
        self.mask, self.positions = self.mask[index], self.positions[index]
        self.inputs = self.inputs[index]


@dataclass
class Answer:
    """One answer as it grows: token ids, whether it has ended, and whether all was finite."""

    ids: list[int] = field(default_factory=list[int])
    is_complete: bool = False
    is_finite: bool = True


def like_lengths(questions: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
    """Neighbours of like length in groups, of a few at least: a pass has a cost of its own."""
    groups: list[Sequence[Sequence[int]]] = []
    start = 0
    for place, question in enumerate(questions):
        is_shorter = len(question) < _LIKE * len(questions[start])
        if is_shorter and place - start >= _SMALLEST_GROUP:
            groups.append(questions[start:place])
            start = place
    return [*groups, questions[start:]]


class Passes:
    """Runs one model.

    Args:
        model: the language model.
        projection: from a hidden state to the next latent.
        tokens: the special tokens.
    """

    def __init__(self, model: PreTrainedModel, projection: nn.Module, tokens: CodiTokens) -> None:
        """Look up once what the model's forward accepts."""
        self._model: Any = model
        self._inner: Any = model.base_model
        self._projection = projection
        self._tokens = tokens
        accepted = inspect.signature(model.forward).parameters
        self._can_join = can_join(model.config)
        self._takes_positions = "position_ids" in accepted
        self._logits_options = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    def read(self, questions: Sequence[Sequence[int]], *, is_bot_a_slot: bool) -> Rows:
        """Process the questions; the rows' next input is what the first slot is fed.

        Questions of like length, if they are neighbours, are processed together, which saves
        padding; from then on all are one batch.

        Args:
            questions: token ids of each.
            is_bot_a_slot: whether the begin-of-thought token is the first slot's input, else it
                ends the question and the first latent follows.
        """
        config = self._model.config
        groups = like_lengths(questions) if self._can_join else [questions]
        parts = [self._read_together(group, is_bot_a_slot=is_bot_a_slot) for group in groups]
        longest = max(part.mask.shape[1] for part in parts)
        return Rows(
            join([part.cache for part in parts], config),
            torch.cat([fill(part.mask, (longest - part.mask.shape[1], 0)) for part in parts]),
            torch.cat([part.positions for part in parts]),
            torch.cat([part.inputs for part in parts]),
        )

    def _read_together(self, questions: Sequence[Sequence[int]], *, is_bot_a_slot: bool) -> Rows:
        """Process questions in one pass."""
        last = [] if is_bot_a_slot else [self._tokens.bot]
        ids, mask = pad([[*question, *last] for question in questions], "left", self._tokens.pad)
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        output = self._inner(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=roomy_cache(self._model.config),
            use_cache=True,
            **self._position(positions),
        )
        if is_bot_a_slot:
            first = self._embedded([self._tokens.bot] * len(questions))
        else:
            first = self._projection(output.last_hidden_state[:, -1:])
        return Rows(output.past_key_values, mask, positions[:, -1:], first)

    def think(
        self, rows: Rows, n_slots: int, at_slot: Callable[[int], AbstractContextManager[object]]
    ) -> None:
        """Process the slots one after the other, each inside its context."""
        for slot in range(n_slots):
            rows.step()
            with at_slot(slot):
                # Only the states are needed; logits would take a matrix of the vocabulary's size.
                output = self._inner(inputs_embeds=rows.inputs, **self._shared(rows))
            rows.cache = output.past_key_values
            rows.inputs = self._projection(output.last_hidden_state)

    def answer(
        self,
        rows: Rows,
        max_new_tokens: int,
        observe: Callable[[list[int], torch.Tensor], None] | None = None,
    ) -> list[Answer]:
        """End the thoughts and answer greedily; rows leave the batch as they end.

        Args:
            rows: the batch after its thoughts; used up.
            max_new_tokens: most tokens of an answer.
            observe: is shown the rows that are left and their logits `(n_rows, vocab_size)` at
                each token.
        """
        answers = [Answer() for _ in range(len(rows.mask))]
        active = list(range(len(answers)))
        rows.inputs = self._embedded([self._tokens.eot] * len(active))
        for _ in range(max_new_tokens):
            rows.step()
            output = self._model(
                inputs_embeds=rows.inputs, **self._shared(rows), **self._logits_options
            )
            rows.cache = output.past_key_values
            logits = output.logits[:, -1]
            if observe is not None:
                observe(active, logits)
            chosen = self._chosen(logits)
            for row, token in zip(active, chosen, strict=True):
                self._accept(answers[row], token)
            gone = {place for place, row in enumerate(active) if self._is_over(answers[row])}
            if len(gone) == len(active):
                break
            rows.inputs = self._embedded(chosen, floor=0)
            if gone:
                active = [active[place] for place in rows.drop(gone)]
        return answers

    def _chosen(self, logits: torch.Tensor) -> list[int]:
        """The likeliest token of each row but the end of thought; -1 where a logit is not finite.

        `max` hands on a NaN, so its value tells of every logit of the row.
        """
        logits = logits.index_fill(
            -1, torch.tensor([self._tokens.eot], device=logits.device), float("-inf")
        )
        best, tokens = logits.max(dim=-1)
        return torch.where(best.isfinite(), tokens, _NOT_FINITE).tolist()

    def _accept(self, answer: Answer, token: int) -> None:
        """Append a token and settle whether the answer ends with it."""
        if token == _NOT_FINITE:
            answer.is_finite = False
            return
        answer.ids.append(token)
        answer.is_complete = token in self._tokens.ends

    @staticmethod
    def _is_over(answer: Answer) -> bool:
        """Whether no other token may follow."""
        return answer.is_complete or not answer.is_finite

    def _embedded(self, ids: Sequence[int], floor: int | None = None) -> torch.Tensor:
        """Embeddings `(n_rows, 1, d_model)` of one token a row."""
        tokens = torch.tensor(ids, device=self._model.device)
        if floor is not None:
            tokens = tokens.clamp(min=floor)
        return self._model.get_input_embeddings()(tokens.unsqueeze(-1))

    def _shared(self, rows: Rows) -> dict[str, Any]:
        """Arguments of a pass that goes on where the last one ended."""
        return {
            "attention_mask": rows.mask,
            "past_key_values": rows.cache,
            "use_cache": True,
            **self._position(rows.positions),
        }

    def _position(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        """Position ids, where the architecture takes them."""
        return {"position_ids": positions} if self._takes_positions else {}
