"""Requests of one call: what is sent to the host, in which order, and the answers back in order.

The window is bounded: a request gets a slot of shared memory before it is sent, and keeps it until
its completion was handed out; so memory holds the states of one window, whoever is slow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from quarry.errors import IntegrityError, UsageError
from quarry.findings import Finding
from quarry.inference.checkpoint_engine import Request
from quarry.inference.engine import CaptureSpec, GenerationParameters
from quarry.inference.host.spool import MOST_SLOTS
from quarry.inference.host.wire import CaptureOrder, Submission

HIGHEST_TEMPERATURE = 2.0
_WINDOWS = 4
"""Requests in the window for each that runs: a long one does not hold up those behind it."""


@dataclass(frozen=True)
class StatesLayout:
    """How the states of one call lie in the spool.

    Args:
        captured: layers that the host captures, ascending.
        wanted: layers that are asked for, in their order.
        scope: the tokens whose states are kept.
        d_model: width.
        most_rows: most rows that a request of the call can have.
    """

    captured: tuple[int, ...]
    wanted: tuple[int, ...]
    scope: str
    d_model: int
    most_rows: int

    @property
    def slot_bytes(self) -> int:
        """Room for one request."""
        return self.most_rows * len(self.captured) * self.d_model * 2

    @property
    def columns(self) -> list[int]:
        """Where the wanted layers are among the captured ones."""
        return [self.captured.index(layer) for layer in self.wanted]

    def first_row(self, n_prompt: int) -> int:
        """The first token whose state is kept."""
        return n_prompt if self.scope == "output" else 0

    def end_row(self, n_prompt: int, n_output: int) -> int:
        """The token behind the last whose state is kept."""
        return n_prompt if self.scope == "prompt" else n_prompt + n_output

    def order(self, slot: int, n_prompt: int, max_new_tokens: int) -> CaptureOrder:
        """What the host is told."""
        return CaptureOrder(
            slot=slot,
            offset_bytes=slot * self.slot_bytes,
            start=self.first_row(n_prompt),
            stop=self.end_row(n_prompt, max_new_tokens),
        )


def layout_of(
    requests: Sequence[Request],
    parameters: GenerationParameters,
    capture: CaptureSpec,
    captured: tuple[int, ...],
    d_model: int,
) -> StatesLayout:
    """The layout that has room for every request of a call."""
    longest = max(len(request.prompt_ids) for request in requests)
    most = {
        "prompt": longest,
        "output": parameters.max_new_tokens,
        "prompt+output": longest + parameters.max_new_tokens,
    }
    return StatesLayout(captured, capture.layers, capture.scope, d_model, most[capture.scope])


def check_temperature(parameters: GenerationParameters) -> None:
    """Refuse a temperature that vLLM does not take.

    Raises:
        UsageError: it is above 2.
    """
    if parameters.temperature > HIGHEST_TEMPERATURE and parameters.top_k != 1:
        raise UsageError(
            "vLLM does not sample at this temperature",
            where="generation.temperature",
            expected=f"0 .. {HIGHEST_TEMPERATURE:g}",
            got=f"{parameters.temperature:g}",
            fix="lower the temperature, or set `engine: transformers`",
        )


def window_size(batch_size: int, layout: StatesLayout | None, arena_bytes: int) -> int:
    """How many requests may be under way or wait for their turn at once."""
    window = min(_WINDOWS * batch_size, MOST_SLOTS)
    if layout is None:
        return window
    return max(1, min(window, arena_bytes // layout.slot_bytes))


def submission_of(
    number: int,
    request: Request,
    parameters: GenerationParameters,
    end_ids: Sequence[int],
    capture: CaptureOrder | None,
) -> Submission:
    """A request as the host takes it."""
    is_greedy = parameters.temperature == 0.0 or parameters.top_k == 1
    return Submission(
        id=number,
        prompt_ids=request.prompt_ids,
        max_new_tokens=parameters.max_new_tokens,
        temperature=0.0 if is_greedy else parameters.temperature,
        top_p=parameters.top_p,
        top_k=parameters.top_k,
        seed=None if is_greedy else completion_seed(parameters.seed, request),
        stop=parameters.stop,
        end_ids=tuple(end_ids),
        capture=capture,
    )


def completion_seed(seed: int, request: Request) -> int:
    """The seed of one completion, in [0, 2^63): it follows from seed, sample id and k alone."""
    name = json.dumps([seed, request.sample_id, request.completion_index]).encode()
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def require_rows(request: Request, expected: int, n_rows: int) -> None:
    """Refuse a completion whose states are not exactly as many as its tokens.

    Raises:
        IntegrityError: some are missing.
    """
    if n_rows >= expected:
        return
    finding = Finding(
        check="rows_complete",
        kind="states_missing",
        what="vLLM gave fewer hidden states than there are tokens",
        where=f"sample {request.sample_id}, completion {request.completion_index}",
        expected=f"{expected} states",
        got=str(n_rows),
        cure="collect this cell with `engine: transformers`, and report the version of vLLM",
        sample_id=request.sample_id,
    )
    raise IntegrityError(
        "Hidden states are missing", findings=[finding], where=f"sample {request.sample_id}"
    )
