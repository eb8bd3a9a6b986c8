"""What vLLM's log says about its end: the root cause, and whether memory ran out.

vLLM's processes fail one behind the other, and what the last one raises names no reason.
"""

from __future__ import annotations

import os
import re
from typing import IO

_TAIL_BYTES = 1 << 20
"""vLLM writes all that it had scheduled behind the root cause."""
_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory"
    r"|std::bad_alloc|\bMemoryError\b|CUBLAS_STATUS_ALLOC_FAILED"
    # oneDNN's words for it on a CPU; what it does not support has no "primitive descriptor".
    r"|could not create a primitive(?! descriptor)"
    r"|less than desired GPU memory utilization",
    re.IGNORECASE,
)
_ADVICE = re.compile(r"\b(?:DEBUG|INFO|WARNING) \d\d-\d\d ")
_CACHE = re.compile(
    r"larger than the available KV cache memory|No available memory for the cache blocks"
)
_RAISED = re.compile(r"(?:^|\] |\s)(?P<name>[A-Za-z_.]*(?:Error|Exception)): (?P<text>.+)$")
_DIED = re.compile(r"Worker proc \S+ died unexpectedly")
"""A worker that crashes raises nothing."""
_CONSEQUENCES = (
    "Engine core initialization failed",
    "WorkerProc initialization failed",
    "EngineCore encountered an issue",
    "Worker failed with error",
    "RuntimeError: cancelled",
)


def last_lines(log: IO[bytes]) -> str:
    """The end of a log, at most 1 MiB."""
    log.flush()
    size = os.fstat(log.fileno()).st_size
    data = os.pread(log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return data.decode("utf-8", "replace")


def is_lack_of_memory(text: str) -> bool:
    """Whether a log says that memory ran out, of a GPU or of the machine; advice is no lack."""
    return any(_MEMORY.search(line) and not _ADVICE.search(line) for line in text.splitlines())


def is_lack_of_cache(text: str) -> bool:
    """Whether a log says that what vLLM may take leaves too small a cache for one sequence."""
    return _CACHE.search(text) is not None


def is_consequence(text: str) -> bool:
    """Whether an exception only says that another process failed."""
    return any(words in text for words in _CONSEQUENCES)


def root_cause(log: str) -> str:
    """The first exception that is no consequence of another, else a death; empty if none."""
    for line in log.splitlines():
        found = _RAISED.search(line.strip())
        if found and not is_consequence(line):
            return f"{found['name']}: {found['text'][:300]}"
    death = _DIED.search(log)
    return death[0] if death else ""
