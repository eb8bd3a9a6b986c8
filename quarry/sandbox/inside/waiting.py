"""Waiting until something can be read; what is read then is not known here."""

from __future__ import annotations

import select
from collections.abc import Iterable


def readable(descriptors: Iterable[int], patience_s: float | None) -> list[int]:
    """Those that can be read or have ended, as soon as there is one; none when the time is over.

    Args:
        descriptors: open ones.
        patience_s: how long to wait; None for as long as it takes.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [ready for ready, _ in poll.poll(None if patience_s is None else 1000 * patience_s)]
