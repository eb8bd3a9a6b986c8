"""Carrying out a chosen fault: what it does to a request, to what is stored and to an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from b2sdk._internal.raw_simulator import PartSimulator

from tests.b2_server.account import File
from tests.b2_server.answers import Answer
from tests.b2_server.faults import Fault, FaultKind
from tests.b2_server.refusals import Refusal

REFUSALS: dict[FaultKind, tuple[int, str, str]] = {
    FaultKind.SERVICE_UNAVAILABLE: (503, "service_unavailable", "c001_v0001 is too busy"),
    FaultKind.INTERNAL_ERROR: (500, "internal_error", "an internal error occurred"),
    FaultKind.REQUEST_TIMEOUT: (408, "request_timeout", "timed out reading the request"),
    FaultKind.TOO_MANY_REQUESTS: (429, "too_many_requests", "too many requests"),
    FaultKind.EXPIRED_AUTH_TOKEN: (401, "expired_auth_token", "Authorization token has expired"),
    FaultKind.BAD_AUTH_TOKEN: (401, "bad_auth_token", "Invalid authorization token"),
    FaultKind.STORAGE_CAP_EXCEEDED: (403, "storage_cap_exceeded", "Storage cap exceeded"),
    FaultKind.TRANSACTION_CAP_EXCEEDED: (403, "transaction_cap_exceeded", "Cap exceeded"),
    FaultKind.BAD_REQUEST: (400, "bad_request", "the request is wrong"),
}
BREAKS = {FaultKind.RESET_IN_DOWNLOAD, FaultKind.TRUNCATED_BODY, FaultKind.STALLED_BODY}
WRONG_SHA1 = "0123456789" * 4
PIECE_BYTES = 1 << 20
PIECES_PER_S = 50


class Cut(Exception):
    """The connection ends here: by a reset, or in good order with bytes still due."""

    def __init__(self, by_reset: bool = True):
        super().__init__()
        self.by_reset = by_reset


def refuse(fault: Fault | None) -> None:
    """Answer with an error instead of doing the operation.

    Raises:
        Refusal: the error, where the fault is one of those.
    """
    if fault and fault.kind in REFUSALS:
        status, code, message = REFUSALS[fault.kind]
        raise Refusal(status, code, message, fault.retry_after_s)


def before(fault: Fault | None, closing: threading.Event) -> None:
    """Fail or wait before the operation is done.

    Raises:
        Cut: where there will be no answer.
    """
    if fault and fault.kind == FaultKind.STALLED:
        closing.wait()
        raise Cut
    if fault and fault.kind == FaultKind.RESET_BEFORE_ANSWER:
        raise Cut


def spoil_stored(fault: Fault | None, stored: File | PartSimulator) -> None:
    """Change what was just stored, after its digest was checked."""
    if fault and fault.kind == FaultKind.WRONG_SHA1_STORED:
        stored.content_sha1 = WRONG_SHA1
    if fault and fault.kind == FaultKind.CORRUPT_IN_STORAGE:
        data = stored.data_bytes if isinstance(stored, File) else stored.part_data
        flip(data, fault.at)


def spoil_answer(fault: Fault | None, answer: Answer) -> None:
    """Change an answer, not what is stored."""
    if fault is None or answer.status >= 300:
        return
    if fault.kind == FaultKind.CORRUPT_ON_WIRE and len(answer.body):
        answer.body = bytearray(answer.body)
        flip(answer.body, fault.at)


def flip(data: bytearray, at: float) -> None:
    """Change one bit of the byte at a share of the data, if there is any."""
    if data:
        data[min(int(len(data) * at), len(data) - 1)] ^= 1


def pieces(
    fault: Fault | None, body: bytes | bytearray | memoryview, closing: threading.Event
) -> Iterator[memoryview]:
    """The body in the pieces and at the pace that the fault wants.

    Raises:
        Cut: in the middle, where the fault breaks the body off.
    """
    view = memoryview(body)
    breaks = fault is not None and fault.kind in BREAKS
    if fault and fault.kind == FaultKind.SLOW_BODY:
        yield from slowly(view, fault.bytes_per_s, closing)
        return
    end = int(len(view) * fault.at) if fault and breaks else len(view)
    for start in range(0, end, PIECE_BYTES):
        yield view[start : min(start + PIECE_BYTES, end)]
    if fault and breaks:
        if fault.kind == FaultKind.STALLED_BODY:
            closing.wait()
        raise Cut(by_reset=fault.kind != FaultKind.TRUNCATED_BODY)


def slowly(view: memoryview, bytes_per_s: int, closing: threading.Event) -> Iterator[memoryview]:
    step = max(1, bytes_per_s // PIECES_PER_S)
    for start in range(0, len(view), step):
        yield view[start : start + step]
        if closing.wait(step / bytes_per_s):
            raise Cut
