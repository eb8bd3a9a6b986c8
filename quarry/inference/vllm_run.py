"""`VllmRun`: one call of the engine: requests out, answers back in order, memory bounded.

A host works for one call at a time. A call that begins while another is half consumed takes over
the host; when the other goes on, it takes it back, and asks again for what it had under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from quarry.errors import EngineDiedError, EngineMemoryError
from quarry.inference.checkpoint_engine import Request
from quarry.inference.engine import CaptureSpec, FinishReason, GenerationParameters
from quarry.inference.host.client import EngineHost
from quarry.inference.host.spool import EMPTY
from quarry.inference.storable_states import require_storable
from quarry.inference.vllm_hosts import HostSupply
from quarry.inference.vllm_requests import (
    StatesLayout,
    layout_of,
    require_rows,
    submission_of,
    window_size,
)


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    request: Request
    output_ids: list[int]
    finish_reason: FinishReason
    states: npt.NDArray[np.float16] | None


class VllmRun:
    """Runs requests through a host, window by window.

    Args:
        supply: gives the host.
        requests: what to run; at least one.
        parameters: how completions are generated.
        capture: which states are kept; None for none.
        end_ids: tokens that end a completion.
        d_model: width of the model.
        most_at_once: sequences at once.
    """

    def __init__(
        self,
        supply: HostSupply,
        requests: Sequence[Request],
        parameters: GenerationParameters,
        capture: CaptureSpec | None,
        end_ids: Sequence[int],
        d_model: int,
        *,
        most_at_once: int,
    ) -> None:
        """Nothing is sent yet."""
        self._supply = supply
        self._requests = requests
        self._parameters = parameters
        self._capture = capture
        self._end_ids = end_ids
        self._d_model = d_model
        self._most_at_once = most_at_once
        self._layout: StatesLayout | None = None
        self._layers = capture.layers if capture else ()
        self._window = 0
        self._host: EngineHost | None = None
        self._under_way: set[int] = set()
        self._done: dict[int, dict[str, Any]] = {}

    def answers(self) -> Iterator[Answer]:
        """Yield the answers in the order of the requests.

        Raises:
            EngineMemoryError: memory ran out at the smallest batch.
            EngineDiedError: vLLM's process has ended.
            IntegrityError: states are missing or can't be stored.
            UsageError: the engine was closed.
        """
        try:
            for number in range(len(self._requests)):
                while number not in self._done:
                    self._go_on(number)
                answer = self._answer(number)
                self._refill(number + 1)
                yield answer
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Have the host forget what is not handed out yet, or end it if it can't."""
        host, self._host = self._host, None
        if host is not None and host is self._supply.host:
            try:
                self._abort(host)
            except (EngineDiedError, EngineMemoryError):
                self._supply.drop()
        self._under_way.clear()
        self._done.clear()

    def _abort(self, host: EngineHost) -> None:
        """Stop what is under way; slots are free once the host has answered for each."""
        if self._under_way:
            host.send({"op": "abort", "ids": sorted(self._under_way)})
        while self._under_way:
            self._take(host.receive())

    def _go_on(self, oldest: int) -> None:
        """Send what fits, and take one answer."""
        host = self._host
        if host is None or host is not self._supply.host:
            host = self._begin()
        try:
            self._send(host, oldest)
            self._take(host.receive())
        except EngineMemoryError as error:
            self._supply.shrink(error)
            self._under_way.clear()
        except EngineDiedError:
            self._supply.drop()
            raise

    def _refill(self, oldest: int) -> None:
        """Give the host more to do while the consumer is busy; a failure shows at the next turn."""
        host = self._host
        if host is None or host is not self._supply.host:
            return
        with contextlib.suppress(EngineDiedError, EngineMemoryError):
            self._send(host, oldest)

    def _begin(self) -> EngineHost:
        """Get a host with the layers of this call; find the window that has room."""
        self._supply.hand_to(self)
        if self._capture is not None:
            captured = self._supply.layers_with(self._layers)
            self._layout = layout_of(
                self._requests, self._parameters, self._capture, captured, self._d_model
            )
            self._supply.make_room(self._layout.slot_bytes)
        room = self._supply.spool.arena_bytes if self._layout else 0
        self._window = window_size(self._most_at_once, self._layout, room)
        if self._window < self._most_at_once:
            self._supply.remark_on_room(self._window, self._most_at_once)
        self._host = self._supply.ready(self._layers)
        return self._host

    def _send(self, host: EngineHost, oldest: int) -> None:
        """Fill the window that begins with the oldest request that is not handed out."""
        # A few more than run at once wait at the host, so that it need not wait for them.
        most = self._most_at_once + self._most_at_once // 4
        for number in range(oldest, min(oldest + self._window, len(self._requests))):
            if len(self._under_way) >= most:
                return
            if number not in self._under_way and number not in self._done:
                self._submit(host, number)
                self._under_way.add(number)

    def _submit(self, host: EngineHost, number: int) -> None:
        """Send one request, its slot marked empty."""
        request, order = self._requests[number], None
        if self._layout is not None:
            slot = number % self._window
            order = self._layout.order(
                slot, len(request.prompt_ids), self._parameters.max_new_tokens
            )
            self._supply.spool.set_status(slot, EMPTY)
        message = submission_of(number, request, self._parameters, self._end_ids, order)
        host.send(message.to_message())

    def _take(self, message: dict[str, Any]) -> None:
        """Note an answer."""
        number = int(message["id"])
        self._under_way.discard(number)
        self._done[number] = message

    def _answer(self, number: int) -> Answer:
        """The answer of a request, its states copied out of its slot."""
        message, request = self._done.pop(number), self._requests[number]
        output_ids = [int(token) for token in message["output_ids"]]
        states = None
        if self._layout is not None:
            states = self._states(number, len(output_ids), int(message["n_rows"]))
        reason = cast("FinishReason", message["reason"])
        return Answer(request, output_ids, reason, states)

    def _states(self, number: int, n_output: int, n_rows: int) -> npt.NDArray[np.float16]:
        """States of one request, `(n_tokens, n_layers, d_model)` float16, as many as tokens."""
        assert self._layout is not None, "states are copied where they are captured"
        layout, request = self._layout, self._requests[number]
        n_prompt = len(request.prompt_ids)
        first = layout.first_row(n_prompt)
        expected = layout.end_row(n_prompt, n_output) - first
        require_rows(request, expected, n_rows)
        shape = (expected, len(layout.captured), self._d_model)
        offset = (number % self._window) * layout.slot_bytes
        rows = self._supply.spool.rows(offset, shape)
        if layout.columns == list(range(len(layout.captured))):
            states = rows.copy()
        else:
            states = rows[:, layout.columns]  # a list of columns copies
        require_storable(states, request.sample_id, first, layout.wanted)
        return states
