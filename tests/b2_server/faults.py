"""Which request goes wrong, and how: a script of faults, and a seed for random ones.

Only the choice is here; `misbehaviour.py` carries a chosen fault out.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    """What can go wrong. `UPLOAD_KINDS` and `DOWNLOAD_KINDS` say which need such a request."""

    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL_ERROR = "internal_error"
    REQUEST_TIMEOUT = "request_timeout"
    TOO_MANY_REQUESTS = "too_many_requests"
    EXPIRED_AUTH_TOKEN = "expired_auth_token"
    BAD_AUTH_TOKEN = "bad_auth_token"
    STORAGE_CAP_EXCEEDED = "storage_cap_exceeded"
    TRANSACTION_CAP_EXCEEDED = "transaction_cap_exceeded"
    BAD_REQUEST = "bad_request"
    RESET_BEFORE_ANSWER = "reset_before_answer"
    LOST_ANSWER = "lost_answer"
    STALLED = "stalled"
    RESET_IN_UPLOAD = "reset_in_upload"
    WRONG_SHA1_STORED = "wrong_sha1_stored"
    CORRUPT_IN_STORAGE = "corrupt_in_storage"
    WRONG_SHA1_RETURNED = "wrong_sha1_returned"
    RESET_IN_DOWNLOAD = "reset_in_download"
    TRUNCATED_BODY = "truncated_body"
    STALLED_BODY = "stalled_body"
    SLOW_BODY = "slow_body"
    CORRUPT_ON_WIRE = "corrupt_on_wire"


UPLOAD_KINDS = {
    FaultKind.RESET_IN_UPLOAD,
    FaultKind.CORRUPT_IN_STORAGE,
    FaultKind.WRONG_SHA1_STORED,
}
DOWNLOAD_KINDS = {
    FaultKind.RESET_IN_DOWNLOAD,
    FaultKind.TRUNCATED_BODY,
    FaultKind.STALLED_BODY,
    FaultKind.SLOW_BODY,
    FaultKind.CORRUPT_ON_WIRE,
}


@dataclass(frozen=True)
class Fault:
    """One fault and the requests that it befalls.

    `operation` and `name` (of the file) are patterns as in `fnmatch`: `upload_*`, `download_*`,
    `b.h5`; without them every request to which the kind applies matches. Of those, the first
    `after` pass, then `times` go wrong (None: all), each with `probability`. `at` is the share of
    the body, 0 to 1, where a body breaks off or a byte is flipped. `retry_after_s` adds the
    Retry-After header to 429 and 5xx.
    """

    kind: FaultKind
    operation: str = "*"
    name: str = "*"
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    at: float = 0.5
    retry_after_s: int | None = None
    bytes_per_s: int = 10_000

    def applies_to(self, operation: str, name: str) -> bool:
        upload, download = operation.startswith("upload_"), operation.startswith("download_")
        if self.kind in UPLOAD_KINDS and not upload:
            return False
        if self.kind in DOWNLOAD_KINDS and not download:
            return False
        if self.kind == FaultKind.WRONG_SHA1_RETURNED and not (upload or download):
            return False
        return fnmatchcase(operation, self.operation) and fnmatchcase(name, self.name)


@dataclass
class Scripted:
    """A fault with how many requests it has seen and befallen."""

    fault: Fault
    seen: int = 0
    fired: int = 0

    @property
    def is_spent(self) -> bool:
        return self.fault.times is not None and self.fired >= self.fault.times


@dataclass
class Faults:
    """The script. The first fault added that applies to a request is the one that befalls it.

    Random faults repeat with the seed as far as the requests come in the same order.
    """

    seed: int = 0
    _scripted: list[Scripted] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._scripted += [Scripted(fault) for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._scripted.clear()

    def fired(self, kind: FaultKind | None = None) -> int:
        """How many requests went wrong, in all or by one kind, of the faults in the script."""
        with self._lock:
            return sum(each.fired for each in self._scripted if kind in (None, each.fault.kind))

    def choose(self, operation: str, name: str) -> Fault | None:
        """The fault for this request; called once for each."""
        with self._lock:
            for each in self._scripted:
                if each.is_spent or not each.fault.applies_to(operation, name):
                    continue
                each.seen += 1
                if each.seen <= each.fault.after:
                    continue
                if self._random.random() < each.fault.probability:
                    each.fired += 1
                    return each.fault
        return None
