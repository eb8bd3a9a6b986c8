"""The vLLM engine keeps the contract, on real vLLM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quarry.errors import UsageError
from quarry.inference.engine import CaptureSpec, GenerationParameters, Prompt
from quarry.inference.vllm_engine import VllmEngine
from tests.contracts.engine_cases import GREEDY, PROMPTS, SAMPLED, same_completions
from tests.contracts.engine_contract import EngineContract
from tests.inference.shared_vllm import SharedVllm
from tests.vllm_environment import needs_vllm

pytestmark = needs_vllm


class TestVllmEngine(EngineContract):
    processes = SharedVllm()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def end_of_processes(cls) -> Iterator[None]:
        yield
        cls.processes.close()

    @classmethod
    def make_engine(cls, model_dir: Path, batch_size: int) -> VllmEngine:
        return cls.processes.engine(model_dir, batch_size)

    def test_prompts_that_share_their_beginning_have_their_own_states(
        self, engine: VllmEngine
    ) -> None:
        beginning = "Tom has 12 apples and buys 7 more. " * 4
        prompts = [Prompt(f"toy/{end}", beginning + end) for end in ("", "Kim", "Tom", "Kim is")]
        alone = [next(iter(engine.run([prompt], GREEDY, CaptureSpec((1,))))) for prompt in prompts]
        together = list(engine.run(prompts * 3, GREEDY, CaptureSpec((1,))))
        assert same_completions(alone * 3, together)
        for one, other in zip(alone * 3, together, strict=True):
            assert one.hidden_states is not None
            assert other.hidden_states is not None
            np.testing.assert_allclose(one.hidden_states, other.hidden_states, atol=2e-3)

    def test_capture_of_sampled_completions_changes_none_and_has_all_their_states(
        self, engine: VllmEngine
    ) -> None:
        plain = list(engine.run(PROMPTS, SAMPLED))
        captured = list(engine.run(PROMPTS, SAMPLED, CaptureSpec((0, 2), "output")))
        assert same_completions(plain, captured)
        for completion in captured:
            sequence = [*completion.prompt_token_ids.tolist(), *completion.output_token_ids]
            (expected,) = engine.states([sequence], (0, 2))
            assert completion.hidden_states is not None
            np.testing.assert_allclose(
                completion.hidden_states,
                expected[len(completion.prompt_token_ids) :],
                atol=self.tolerance * 4,
            )

    def test_many_samples_of_one_prompt_are_all_different_seeds(self, engine: VllmEngine) -> None:
        parameters = GenerationParameters(max_new_tokens=8, temperature=1.5, n=100, seed=1)
        completions = list(engine.run(PROMPTS[:1], parameters))
        assert [c.completion_index for c in completions] == list(range(100))
        assert len({c.text for c in completions}) > 90

    def test_a_closed_engine_says_so(self, model_dir: Path) -> None:
        engine = self.make_engine(model_dir, 1)
        engine.close()
        with pytest.raises(UsageError, match="after it was closed"):
            engine.run(PROMPTS, GREEDY)

    def test_a_temperature_that_vllm_does_not_take_is_refused(self, engine: VllmEngine) -> None:
        with pytest.raises(UsageError, match=r"0 \.\. 2"):
            engine.run(PROMPTS, GenerationParameters(4, temperature=2.5))
