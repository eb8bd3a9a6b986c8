"""How much memory a model has taken: of the GPU it runs on, or of its process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch


def peak_memory_bytes(device_type: str) -> int:
    """Most memory in use up to now: allocated on all GPUs for `cuda`, else this process's own."""
    if device_type == "cuda" and torch.cuda.is_available():
        return sum(
            torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())
        )
    return peak_process_bytes()


def peak_process_bytes(pid: int | None = None) -> int:
    """Most memory that a process had resident, in bytes; 0 if it has ended.

    Args:
        pid: the process; None for this one.
    """
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return 0 if pid is not None else _own_peak_bytes()
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0 if pid is not None else _own_peak_bytes()


def _own_peak_bytes() -> int:
    """This process's peak where there is no `/proc`; macOS counts bytes, others KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
