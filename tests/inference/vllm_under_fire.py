"""What the tests of failing vLLM share: an engine with little room, its processes, what is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from quarry.inference.engine import CaptureSpec, Completion
from quarry.inference.host.session import session_members
from quarry.inference.transformers_engine import TransformersEngine
from quarry.inference.vllm_engine import VllmEngine
from tests.contracts.engine_cases import GREEDY, PROMPTS, same_completions
from tests.inference.shared_vllm import cpu_settings

CAPTURE = CaptureSpec((2, 0))
MANY = PROMPTS * 12
MIB = 1 << 20


def load(model_dir: Path, batch_size: int = 4, **settings: object) -> VllmEngine:
    return VllmEngine.load(
        model_dir, batch_size=batch_size, settings=cpu_settings(**{"spool_bytes": MIB, **settings})
    )


def session_of(engine: VllmEngine) -> int:
    host = engine._supply.host
    assert host is not None
    return host.pid


def member(session: int, name: str) -> int:
    (found,) = [
        pid
        for pid in session_members(session)
        if (Path("/proc") / str(pid) / "comm").read_text(encoding="ascii").startswith(name)
    ]
    return found


def wait_until(is_so: Callable[[], bool], longest_s: float = 60.0) -> bool:
    deadline = time.monotonic() + longest_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()


def same_states(left: Sequence[Completion], right: Sequence[Completion]) -> bool:
    return all(
        one.hidden_states is not None
        and other.hidden_states is not None
        and one.hidden_states.shape == other.hidden_states.shape
        and np.allclose(one.hidden_states, other.hidden_states, atol=4e-3, rtol=1e-3)
        for one, other in zip(left, right, strict=True)
    )


def expected_of(model_dir: Path) -> list[Completion]:
    """What the other engine gives for `PROMPTS`."""
    with TransformersEngine.load(model_dir, batch_size=8, device="cpu") as engine:
        return list(engine.run(PROMPTS, GREEDY, CAPTURE))


def is_right(completions: Sequence[Completion], reference: Sequence[Completion]) -> bool:
    times = len(completions) // len(reference)
    expected = [*reference] * times
    return same_completions(completions, expected) and same_states(completions, expected)
