"""How much memory a piece of work takes at its most, beyond what was in use before it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass
class Memory:
    """Bytes that were added, known when the block is left; NaN where it can't be told."""

    added: float = float("nan")


@contextlib.contextmanager
def added_bytes() -> Generator[Memory]:
    """Watch a block: a GPU's memory where torch has used one, else this process's own.

    Linux forgets a process's greatest size when 5 is written to its `clear_refs`.
    """
    import torch

    memory = Memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield memory
        memory.added = torch.cuda.max_memory_allocated() - before
        return
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")
    before = size_bytes("VmRSS")
    yield memory
    memory.added = size_bytes("VmHWM") - before


def size_bytes(name: str) -> float:
    """One line of the process's status; NaN where there is none."""
    text = STATUS.read_text(encoding="ascii") if STATUS.is_file() else ""
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return float(int(found[1]) << 10) if found else float("nan")
