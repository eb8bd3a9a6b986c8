"""`PlainScheduler`: vLLM's scheduler without the guesses that hidden-state extraction brings.

vLLM hands out hidden states through the machinery of speculative decoding, whose "draft" there is
the sampled token itself: a guess that is nearly always wrong, costs a second token a step, and
draws random numbers in another way than plain generation. Here no draft is ever scheduled, so that
capture changes neither what is generated nor how much is computed. Runs in vLLM's processes only.
"""

# vLLM is not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedBaseClass=false, reportUnknownParameterType=false
from __future__ import annotations

from typing import Any

from vllm.v1.core.sched.scheduler import Scheduler


class PlainScheduler(Scheduler):
    """Schedules one token a sequence and step."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As the base, but no request is padded with drafts."""
        super().__init__(*arguments, **named)
        self._n_drafts = self.num_spec_tokens
        self.num_spec_tokens = 0

    def schedule(self, *arguments: Any, **named: Any) -> Any:
        """As the base; the worker is told the number of drafts that it was built for."""
        output = super().schedule(*arguments, **named)
        output.num_spec_tokens_to_schedule = self._n_drafts
        return output

    def update_draft_token_ids(self, draft_token_ids: Any) -> None:
        """Drop the drafts."""
