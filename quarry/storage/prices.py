"""What a bucket costs. The one place with prices; callers may name others.

Assumed, not quoted: 6 USD a TB and month, downloads free up to three times what is stored and 0.01
USD a GB beyond, uploads and deletions free; look the prices of an account up before relying on it.
Requests are left out: they cost less than a cent a day. A GB is 10^9 bytes.
"""

from __future__ import annotations

STORAGE_USD_PER_GB_MONTH = 0.006
EGRESS_USD_PER_GB = 0.01
FREE_EGRESS_RATIO = 3.0
"""How many times what is stored may be downloaded a month for nothing."""


def storage_usd(size_bytes: int, usd_per_gb_month: float = STORAGE_USD_PER_GB_MONTH) -> float:
    """What keeping some bytes costs a month, in US dollars."""
    return size_bytes / 1e9 * usd_per_gb_month


def egress_usd(
    fetch_bytes: int,
    stored_bytes: int,
    usd_per_gb: float = EGRESS_USD_PER_GB,
    free_ratio: float = FREE_EGRESS_RATIO,
) -> float:
    """What downloading some bytes within a month costs, in US dollars.

    Args:
        fetch_bytes: what is downloaded.
        stored_bytes: what is stored on average over the month.
        usd_per_gb: price beyond what is free.
        free_ratio: how many times the stored bytes are free.
    """
    return max(0.0, fetch_bytes - free_ratio * stored_bytes) / 1e9 * usd_per_gb
