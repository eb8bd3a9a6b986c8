"""The reason among many lines that only say that something ended. Lines are of real logs."""

from __future__ import annotations

import tempfile

import pytest

from quarry.inference.host.log_reading import (
    is_consequence,
    is_lack_of_cache,
    is_lack_of_memory,
    last_lines,
    root_cause,
)

CHAIN = """\
(Worker pid=7) INFO 11-21 22:23:08 [cpu_worker.py:260] Explicitly set (1.16/23.54) GiB for KV cache
(Worker pid=7) ERROR 11-21 22:23:09 [multiproc_executor.py:931] ValueError: bad weight: lm_head
(EngineCore pid=6) ERROR 11-21 22:23:10 [core.py:1] Exception: WorkerProc initialization failed due
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_the_root_cause_is_the_first_exception_that_no_other_caused() -> None:
    assert root_cause(CHAIN) == "ValueError: bad weight: lm_head"


def test_a_log_without_an_exception_has_no_cause() -> None:
    assert root_cause("(Worker pid=7) INFO 11-21 22:23:08 all is well\n") == ""
    assert root_cause("") == ""


def test_names_with_a_module_are_causes_too() -> None:
    line = (
        "(Worker pid=7) ERROR 11-21 22:23:09 [a.py:1] torch.OutOfMemoryError: CUDA out of memory."
    )
    assert root_cause(line) == "torch.OutOfMemoryError: CUDA out of memory."


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: "
        "can't allocate memory: you tried to allocate 137438953472 bytes.",
        "OSError: [Errno 12] Cannot allocate memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
        "RuntimeError: could not create a primitive",
        "ValueError: Free memory on device cuda:0 (3.1/139.8 GiB) on startup is less than desired "
        "GPU memory utilization (0.9, 125.8 GiB).",
    ],
)
def test_lack_of_memory_is_seen(line: str) -> None:
    assert is_lack_of_memory(f"first\n{line}\nlast")
    assert not is_lack_of_cache(line)


@pytest.mark.parametrize(
    "line",
    [
        CHAIN,
        "RuntimeError: could not create a primitive descriptor for a matmul primitive",
        "(Worker pid=7) WARNING 11-21 22:23:08 [x.py:1] lower this if you run out of memory",
        "(Worker pid=7) INFO 11-21 22:23:08 [x.py:1] MemoryError is not expected here",
    ],
)
def test_other_failures_and_advice_are_no_lack_of_memory(line: str) -> None:
    assert not is_lack_of_memory(line)


def test_a_cache_too_small_for_one_sequence_is_another_matter() -> None:
    line = (
        "ValueError: To serve at least one request with the models's max seq len (200), (0.3 GiB "
        "KV cache is needed, which is larger than the available KV cache memory (0.1 GiB)."
    )
    assert is_lack_of_cache(line)
    assert is_lack_of_cache("ValueError: No available memory for the cache blocks. Try increasing")
    assert not is_lack_of_memory(line)


def test_only_the_end_of_a_long_log_is_read() -> None:
    with tempfile.TemporaryFile() as log:
        log.write(b"first\n" + b"x" * (1 << 20) + "\nlast: naïve\n".encode())
        tail = last_lines(log)
    assert len(tail) <= 1 << 20
    assert tail.endswith("\nlast: naïve\n")
    assert "first" not in tail


def test_what_only_says_that_another_failed_is_a_consequence() -> None:
    *_, last = CHAIN.splitlines()
    assert is_consequence(last)
    assert not is_consequence(root_cause(CHAIN))
