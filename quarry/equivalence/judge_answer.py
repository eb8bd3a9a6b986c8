"""What may come of one request to a judge: a verdict, or a failure; and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from quarry.errors import GradingError, JudgeRefusedError

Verdict = Literal["EQUIVALENT", "NOT_EQUIVALENT"]
FailureKind = Literal["passes", "unusable", "item", "limit"]

NANO: Final = 1_000_000_000


@dataclass(frozen=True)
class Price:
    """What a model costs.

    Args:
        input_usd_per_million: US dollars for a million tokens of the request.
        output_usd_per_million: US dollars for a million tokens of the reply.
    """

    input_usd_per_million: float
    output_usd_per_million: float

    def nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """Price of a call in billionths of a dollar, whole ones so that sums are exact."""
        micro_usd = Decimal(str(self.input_usd_per_million)) * input_tokens
        micro_usd += Decimal(str(self.output_usd_per_million)) * output_tokens
        return math.ceil(micro_usd * 1000)


@dataclass(frozen=True)
class Answer:
    """What came back and what it is billed at, whatever it says.

    Args:
        raw: the whole reply as it arrived.
        request_id: the provider's name for the call; empty where it gives none.
        model_version: the model as the provider names it.
        input_tokens: billed tokens of the request.
        output_tokens: billed tokens of the reply.
    """

    raw: str
    request_id: str
    model_version: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Reply:
    """A verdict.

    Args:
        verdict: the one that the reply gives.
        reasoning: the judge's own words.
        trimmed: prefix of the completion that answers; None where the judge named none.
        answer: the reply that this was read from.
    """

    verdict: Verdict
    reasoning: str
    trimmed: str | None
    answer: Answer


class RequestFailedError(GradingError):
    """One request brought no verdict; the grader decides what follows.

    Args:
        why: one line, without secrets.
        kind: `passes` (ask again later), `unusable` (a reply without exactly one verdict; ask
            again), `item` (this item can't be asked), `limit` (the provider's own spend limit).
        retry_after_s: how long the provider asks to wait; None where it says nothing.
        answer: the reply, where one came.
        is_billed: whether it is billed; None where nobody knows, as after a timeout.
    """

    def __init__(
        self,
        why: str,
        *,
        kind: FailureKind,
        retry_after_s: float | None = None,
        answer: Answer | None = None,
        is_billed: bool | None = False,
    ) -> None:
        """Keep all parts for the grader."""
        super().__init__(why)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.answer = answer
        self.is_billed = is_billed

    @property
    def is_worth_another_try(self) -> bool:
        """Whether the same request may bring a verdict later."""
        return self.kind in ("passes", "unusable")


class RequestRefusedError(JudgeRefusedError):
    """A request was refused as malformed: the judge is set up wrongly, or only this item is bad."""
