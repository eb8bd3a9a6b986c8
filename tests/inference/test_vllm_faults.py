"""What becomes of a run of vLLM when a process of it is killed, or its consumer leaves or waits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.errors import (
    EngineDiedError,
)
from quarry.inference.engine import Completion, GenerationParameters, Prompt
from quarry.inference.host.session import session_members
from quarry.inference.transformers_engine import TransformersEngine
from quarry.inference.vllm_engine import VllmEngine
from tests.contracts.engine_cases import GREEDY, PROMPTS, same_completions
from tests.inference.shared_vllm import BorrowingEngine
from tests.inference.vllm_under_fire import (
    CAPTURE,
    MANY,
    is_right,
    load,
    member,
    same_states,
    session_of,
    wait_until,
)
from tests.vllm_environment import needs_vllm, vllm_python

pytestmark = [needs_vllm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def engine(llama_dir: Path) -> Iterator[VllmEngine]:
    with load(llama_dir) as engine:
        yield engine
        session = session_of(engine)
    assert session_members(session) == []


def test_a_run_that_is_left_in_the_middle_leaves_nothing_to_the_next(
    engine: VllmEngine, reference: list[Completion]
) -> None:
    for n_taken in (0, 1, 3, 10):
        run = engine.run(MANY, GREEDY, CAPTURE)
        taken = [next(run) for _ in range(n_taken)]
        run.close()  # pyright: ignore[reportAttributeAccessIssue]
        assert same_completions(taken, [*reference, *reference][:n_taken])
        assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)


def test_a_consumer_that_fails_leaves_nothing_to_the_next_run(
    engine: VllmEngine, reference: list[Completion]
) -> None:
    with pytest.raises(ZeroDivisionError):
        [1 // (5 - completion.prompt_index) for completion in engine.run(MANY, GREEDY, CAPTURE)]
    assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)


def test_runs_that_are_consumed_in_turns_have_their_own_answers(
    engine: VllmEngine, reference: list[Completion]
) -> None:
    backward = [*reversed(PROMPTS)]
    one = engine.run(PROMPTS, GREEDY, CAPTURE)
    other = engine.run(backward, GREEDY, CAPTURE)
    both = [(next(one), next(other)) for _ in PROMPTS]
    assert is_right([left for left, _ in both], reference)
    assert is_right([right for _, right in both], reference[::-1])


def test_a_slow_consumer_bounds_what_is_done_ahead_and_gets_everything_in_order(
    engine: VllmEngine, reference: list[Completion]
) -> None:
    run = engine.run(MANY, GREEDY, CAPTURE)
    completions = [next(run)]
    session = session_of(engine)
    worker = member(session, "VLLM::EngineCor")
    assert wait_until(lambda: cpu_ticks(worker, 1.0) <= 10)
    ahead = engine._supply.spool
    written = sum(ahead.status(slot) > 0 for slot in range(1024))
    assert written <= 16 + 1  # four windows of the batch, and the one that was handed out
    completions += run
    assert is_right(completions, reference)
    assert engine.usage.completions >= len(MANY)


def cpu_ticks(pid: int, during_s: float) -> int:
    def read() -> int:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = read()
    time.sleep(during_s)
    return read() - before


def test_three_hundred_prompts_with_stop_strings_are_those_of_transformers(
    engine: VllmEngine, llama_dir: Path
) -> None:
    dice = random.Random(20)
    words = ["Tom", "has", "12", "apples.", "Kim", "is", "a", "cat;", "def", "東京", "Größe\n"]
    prompts = [
        Prompt(f"toy/{n}", " ".join(dice.choices(words, k=dice.randint(1, 12)))) for n in range(300)
    ]
    parameters = GenerationParameters(max_new_tokens=12, stop=("a", "To", "\n", "cat", " 1"))
    with TransformersEngine.load(llama_dir, batch_size=32, device="cpu") as other:
        expected = list(other.run(prompts, parameters))
    assert {completion.finish_reason for completion in expected} == {"stop", "length"}
    order = dice.sample(range(300), 300)
    for batch_size in (1, 4, 16):
        shared = BorrowingEngine.of(engine, batch_size)
        some = order if batch_size > 1 else order[:60]
        completions = list(shared.run([prompts[n] for n in some], parameters))
        assert same_completions(completions, [expected[n] for n in some])


@pytest.mark.parametrize("name", ["python", "VLLM::EngineCor", "VLLM::Worker"])
def test_killing_any_process_ends_the_run_and_the_next_one_works(
    engine: VllmEngine, reference: list[Completion], name: str
) -> None:
    run = engine.run(MANY, GREEDY, CAPTURE)
    before = [next(run) for _ in range(3)]
    session = session_of(engine)
    os.kill(session if name == "python" else member(session, name), signal.SIGKILL)
    with pytest.raises(EngineDiedError, match=r"SIGKILL|died|dead|Dead|unexpectedly"):
        list(run)
    assert session_members(session) == []
    assert list(run) == []
    assert same_completions(before, reference[:3])
    assert same_states(before, reference[:3])
    assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)
    assert session_of(engine) != session


def test_a_host_that_was_killed_while_idle_is_replaced(
    engine: VllmEngine, reference: list[Completion]
) -> None:
    assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)
    session = session_of(engine)
    os.kill(session, signal.SIGKILL)
    assert wait_until(lambda: session_members(session) == [])
    assert is_right(list(engine.run(PROMPTS, GREEDY, CAPTURE)), reference)


CALLER = """
import sys
from pathlib import Path
from quarry.inference.engine import CaptureSpec, GenerationParameters, Prompt
from quarry.inference.engine_settings import EngineSettings
from quarry.inference.vllm_engine import VllmEngine

settings = EngineSettings("vllm", ("cpu",), vllm_python=sys.argv[2], spool_bytes=1 << 20)
engine = VllmEngine.load(sys.argv[1], batch_size=4, settings=settings)
print("loaded", flush=True)
prompts = [Prompt(f"toy/{n}", "Tom has 12 apples") for n in range(100000)]
for completion in engine.run(prompts, GenerationParameters(100), CaptureSpec((1,))):
    print("completion", flush=True)
"""


@pytest.mark.parametrize("moment", ["loaded", "completion"])
def test_nothing_outlives_a_caller_that_is_killed(llama_dir: Path, moment: str) -> None:
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(llama_dir), vllm_python()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert caller.stdout is not None
    for line in caller.stdout:
        if line.strip() == moment:
            break
    assert wait_until(lambda: children(caller.pid) != [])
    (session,) = children(caller.pid)
    # In the middle of the start: the host and its watcher are there, and perhaps more.
    assert wait_until(lambda: len(session_members(session)) >= (2 if moment == "loaded" else 4))
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert wait_until(lambda: session_members(session) == [], 20)


def children(pid: int) -> list[int]:
    tasks = (Path("/proc") / str(pid) / "task").iterdir()
    found = [int(c) for task in tasks for c in (task / "children").read_text().split()]
    return [child for child in found if os.getsid(child) == child]
