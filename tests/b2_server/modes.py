"""The service's own test modes: a client asks by the header `X-Bz-Test-Mode` for some failures.

Which requests fail is the service's secret; here it is every third one that a mode is about.
"""

from __future__ import annotations

import threading
from collections import Counter
from fnmatch import fnmatchcase

from tests.b2_server.faults import Fault, FaultKind

HEADER = "X-Bz-Test-Mode"
EACH = 3
MODES = {
    "fail_some_uploads": (FaultKind.SERVICE_UNAVAILABLE, "upload_*", EACH),
    "expire_some_account_authorization_tokens": (FaultKind.EXPIRED_AUTH_TOKEN, "[!a]*", EACH),
    "force_cap_exceeded": (FaultKind.STORAGE_CAP_EXCEEDED, "upload_*", 1),
}


class Modes:
    """Counts the requests of each mode."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def choose(self, mode: str | None, operation: str) -> Fault | None:
        """The fault that a request asks for; authorisations never fail."""
        if mode not in MODES:
            return None
        kind, pattern, each = MODES[mode]
        if not fnmatchcase(operation, pattern):
            return None
        with self._lock:
            self._seen[mode] += 1
            is_hit = self._seen[mode] % each == 0
        return Fault(kind) if is_hit else None
