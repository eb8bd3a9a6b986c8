"""`Pump`: takes requests from the caller, steps vLLM, says which are done.

vLLM is asked for tokens alone; where a completion ends (its limit, an end token, a stop string) is
decided here, by the same rules as in the transformers engine. Where states are captured, a
completion is stopped one step after its end: that step runs the last token, whose states would
otherwise not exist.
"""

# vLLM is not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from quarry.inference.host.spool import EMPTY, FAILED, Spool
from quarry.inference.host.wire import Channel, Submission
from quarry.inference.stopping import StopDetector

_PAUSE_S = 0.0005
_STATES_DEADLINE_S = 300.0


@dataclass
class _Growing:
    """One request as it grows."""

    submission: Submission
    detector: StopDetector
    output_ids: list[int] = field(default_factory=list[int])
    reason: str | None = None
    n_beyond: int = 0
    settled_since: float | None = None
    is_run_again: bool = False


class Pump:
    """Runs requests until the caller hangs up.

    Args:
        engine: vLLM's engine.
        channel: the caller.
        spool: takes the states; None where nothing is captured.
        decode: token ids to text, special tokens removed.
        special_ids: tokens that decode to nothing.
    """

    def __init__(
        self,
        engine: Any,
        channel: Channel,
        spool: Spool | None,
        decode: Callable[[Sequence[int]], str],
        special_ids: frozenset[int],
    ) -> None:
        """Nothing runs yet."""
        self._engine = engine
        self._channel = channel
        self._spool = spool
        self._decode = decode
        self._special_ids = special_ids
        self._growing: dict[str, _Growing] = {}
        self._awaiting_states: dict[str, _Growing] = {}

    def run(self) -> None:
        """Serve until the caller hangs up or says so.

        Raises:
            RuntimeError: states did not arrive, or their copy failed.
        """
        while self._receive():
            if self._engine.has_unfinished_requests():
                for output in self._engine.step():
                    self._take(output)
            elif self._awaiting_states:
                time.sleep(_PAUSE_S)
            self._settle()

    def _receive(self) -> bool:
        """Take all messages that are there; waits for one if there is nothing to do."""
        is_idle = not self._growing and not self._awaiting_states
        message = self._channel.receive(None if is_idle else 0)
        while message is not None:
            if message["op"] == "close":
                return False
            if message["op"] == "submit":
                self._submit(Submission.from_message(message))
            else:
                self._abort([str(number) for number in message["ids"]])
            message = self._channel.receive(0)
        return not self._channel.is_closed

    def _submit(self, wanted: Submission) -> None:
        """Hand a request to vLLM."""
        detector = StopDetector(wanted.stop, self._decode, self._special_ids)
        name = str(wanted.id)
        self._growing[name] = _Growing(wanted, detector)
        self._engine.add_request(name, {"prompt_token_ids": wanted.prompt_ids}, _sampling(wanted))

    def _take(self, output: Any) -> None:
        """New tokens of one request; those behind its end are dropped."""
        name = str(output.request_id)
        growing = self._growing.get(name)
        if growing is None:
            return  # stopped a moment ago
        for token in output.outputs[0].token_ids:
            if growing.reason is None:
                growing.output_ids.append(int(token))
                growing.reason = self._reason(growing)
            else:
                growing.n_beyond += 1
        if growing.reason is None:
            if output.finished:
                raise RuntimeError(
                    f"vLLM ended request {name} by itself after {len(growing.output_ids)} tokens: "
                    f"{output.outputs[0].finish_reason}"
                )
            return
        if output.finished or growing.n_beyond or not _needs_last_token(growing.submission):
            del self._growing[name]
            if not output.finished:
                self._engine.abort_request([name])
            self._awaiting_states[name] = growing

    def _reason(self, growing: _Growing) -> str | None:
        """Why a completion ends with its newest token; None if it goes on."""
        wanted, ids = growing.submission, growing.output_ids
        if ids[-1] in wanted.end_ids or growing.detector.text_before_stop(ids) is not None:
            return "stop"
        return "length" if len(ids) == wanted.max_new_tokens else None

    def _abort(self, names: Sequence[str]) -> None:
        """Stop requests that the caller no longer wants; each is still answered once."""
        for name in names:
            growing = self._growing.pop(name, None)
            if growing is not None:
                growing.reason = "aborted"
                self._engine.abort_request([name])
                self._awaiting_states[name] = growing

    def _settle(self) -> None:
        """Answer for requests whose states are in the spool, or that have none."""
        for name, growing in list(self._awaiting_states.items()):
            n_rows = self._rows_of(growing)
            if n_rows is None:
                continue
            del self._awaiting_states[name]
            if n_rows < _n_due(growing) and not growing.is_run_again:
                self._run_again(name, growing)
                continue
            self._channel.send(
                {
                    "event": "done",
                    "id": growing.submission.id,
                    "output_ids": growing.output_ids,
                    "reason": growing.reason,
                    "n_rows": n_rows,
                }
            )

    def _run_again(self, name: str, growing: _Growing) -> None:
        """Have the states of a complete sequence made once more, by one pass over its tokens.

        vLLM goes on while we find that a completion has ended. Where its cache is full it may take
        the pages away in that moment, as from any sequence, to compute them anew later.
        """
        wanted, capture = growing.submission, growing.submission.capture
        assert capture is not None, "there are rows to come"
        assert self._spool is not None, "there are rows to come"
        self._spool.set_status(capture.slot, EMPTY)
        growing.is_run_again, growing.settled_since = True, None
        self._growing[name] = growing
        ids = [*wanted.prompt_ids, *growing.output_ids][: capture.stop]
        # vLLM itself ends it, after one token; so nothing can come in between.
        whole = replace(wanted, prompt_ids=ids, max_new_tokens=1, temperature=0.0, seed=None)
        whole = replace(whole, capture=replace(capture, stop=len(ids)))
        self._engine.add_request(name, {"prompt_token_ids": ids}, _sampling(whole))

    def _rows_of(self, growing: _Growing) -> int | None:
        """Rows of states that are in the spool; None while they are under way."""
        capture = growing.submission.capture
        if capture is None or self._spool is None:
            return 0
        status = self._spool.status(capture.slot)
        if status == FAILED:
            raise RuntimeError(f"the states of request {growing.submission.id} can't be copied")
        if status != EMPTY:
            return max(0, status)
        growing.settled_since = growing.settled_since or time.monotonic()
        if time.monotonic() - growing.settled_since > _STATES_DEADLINE_S:
            raise RuntimeError(
                f"the states of request {growing.submission.id} did not arrive within "
                f"{_STATES_DEADLINE_S:g} s"
            )
        return None


def _n_due(growing: _Growing) -> int:
    """Rows of states that a complete sequence must have; none where nobody wants it any more."""
    wanted = growing.submission
    if wanted.capture is None or growing.reason == "aborted":
        return 0
    n_tokens = len(wanted.prompt_ids) + len(growing.output_ids)
    return min(wanted.capture.stop, n_tokens) - wanted.capture.start


def _needs_last_token(wanted: Submission) -> bool:
    """Whether the states of the last output token are kept, which one more step makes."""
    return wanted.capture is not None and wanted.capture.stop > len(wanted.prompt_ids)


def _sampling(wanted: Submission) -> Any:
    """The parameters for vLLM: it stops at its limit, and at end tokens where it may."""
    needs_last = _needs_last_token(wanted)
    capture = wanted.capture
    extra = None if capture is None else {"kv_transfer_params": {"quarry": asdict(capture)}}
    return SamplingParams(
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        top_k=wanted.top_k,
        seed=wanted.seed,
        max_tokens=wanted.max_new_tokens + int(needs_last),
        stop_token_ids=[] if needs_last else list(wanted.end_ids),
        ignore_eos=True,
        detokenize=False,
        skip_clone=True,
        output_kind=RequestOutputKind.DELTA,
        extra_args=extra,
    )
