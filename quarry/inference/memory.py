"""How much memory a model has taken: of the GPU it runs on, or of its process."""

from __future__ import annotations

import os

import torch

from quarry.inference.host.session import peak_resident_bytes


def peak_memory_bytes(device_type: str) -> int:
    """Most memory in use up to now: allocated on all GPUs for `cuda`, else this process's own."""
    if device_type == "cuda" and torch.cuda.is_available():
        return sum(
            torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())
        )
    return peak_resident_bytes(os.getpid())
