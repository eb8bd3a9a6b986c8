"""`size_text`: a number of bytes as a person reads it."""

from __future__ import annotations

DECIMAL_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
"""Bytes in a unit, smallest first."""


def size_text(size_bytes: int) -> str:
    """A size for people, in decimal units: `12.1 GB`."""
    fitting = [name for name, factor in DECIMAL_UNITS.items() if size_bytes >= factor]
    unit = fitting[-1] if fitting else "B"
    return f"{size_bytes} B" if unit == "B" else f"{size_bytes / DECIMAL_UNITS[unit]:.1f} {unit}"
