"""What every `InferenceEngine` promises; an engine's test class inherits `EngineContract`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from quarry.errors import PromptTooLongError, UsageError
from quarry.inference.engine import (
    CaptureSpec,
    Completion,
    GenerationParameters,
    InferenceEngine,
    Prompt,
    Scope,
)
from tests.contracts.engine_cases import (
    BATCH_SIZES,
    GREEDY,
    PROMPTS,
    SAMPLED,
    reference_states,
    same_completions,
)
from tests.contracts.tiny_models import CONTEXT_LENGTH, SLIDING_WINDOW, write_tiny_checkpoint


class EngineContract:
    """Subclasses implement `make_engine`; `tolerance` is for engines of lower precision."""

    tolerance = 1e-3

    @classmethod
    def make_engine(cls, model_dir: Path, batch_size: int) -> InferenceEngine:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def model_dir(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, model_dir: Path) -> Iterator[InferenceEngine]:
        with cls.make_engine(model_dir, 4) as engine:
            yield engine

    def test_it_knows_the_model(self, engine: InferenceEngine) -> None:
        assert (engine.n_layers, engine.d_model, engine.context_length) == (3, 64, CONTEXT_LENGTH)

    def test_its_description_is_plain_json_with_a_name(self, engine: InferenceEngine) -> None:
        description = engine.describe()
        assert json.loads(json.dumps(description)) == description
        assert {"engine", "device", "dtype"} <= set(description)

    def test_no_prompts_give_no_completions(self, engine: InferenceEngine) -> None:
        assert list(engine.run([], GREEDY)) == []

    def test_completions_come_in_order_of_prompt_and_index(self, engine: InferenceEngine) -> None:
        completions = list(engine.run(PROMPTS, SAMPLED))
        assert [(c.prompt_index, c.completion_index) for c in completions] == [
            (prompt, k) for prompt in range(len(PROMPTS)) for k in range(SAMPLED.n)
        ]

    @pytest.mark.parametrize("parameters", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
    def test_the_batch_size_changes_nothing(
        self, model_dir: Path, parameters: GenerationParameters
    ) -> None:
        runs: list[list[Completion]] = []
        for batch_size in BATCH_SIZES:
            with self.make_engine(model_dir, batch_size) as engine:
                runs.append(list(engine.run(PROMPTS, parameters)))
        assert all(same_completions(runs[0], run) for run in runs[1:])

    @pytest.mark.parametrize("parameters", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
    def test_the_order_of_prompts_changes_nothing(
        self, engine: InferenceEngine, parameters: GenerationParameters
    ) -> None:
        forward = list(engine.run(PROMPTS, parameters))
        backward = list(engine.run(PROMPTS[::-1], parameters))
        regrouped = sorted(backward, key=lambda c: (-c.prompt_index, c.completion_index))
        assert same_completions(forward, regrouped)

    def test_samples_of_one_prompt_differ_and_follow_the_seed(
        self, engine: InferenceEngine
    ) -> None:
        first = list(engine.run(PROMPTS[:1], SAMPLED))
        assert len({c.text for c in first}) > 1
        assert same_completions(first, list(engine.run(PROMPTS[:1], SAMPLED)))
        assert not same_completions(first, list(engine.run(PROMPTS[:1], replace(SAMPLED, seed=8))))

    def test_more_samples_keep_the_earlier_ones(self, engine: InferenceEngine) -> None:
        many = [c for c in engine.run(PROMPTS, SAMPLED) if c.completion_index < 2]
        assert same_completions(list(engine.run(PROMPTS, replace(SAMPLED, n=2))), many)

    def test_parts_are_what_is_made_at_once(self, engine: InferenceEngine) -> None:
        parts = [replace(SAMPLED, first=0, n=1), replace(SAMPLED, first=1, n=2)]
        found = [one for part in parts for one in engine.run(PROMPTS[:3], part)]
        found.sort(key=lambda one: (one.prompt_index, one.completion_index))
        assert [one.completion_index for one in found] == [0, 1, 2] * 3
        assert same_completions(list(engine.run(PROMPTS[:3], SAMPLED)), found)

    def test_one_candidate_is_greedy_at_any_temperature(self, engine: InferenceEngine) -> None:
        hot = GenerationParameters(max_new_tokens=16, temperature=5.0, top_k=1)
        assert same_completions(list(engine.run(PROMPTS, GREEDY)), list(engine.run(PROMPTS, hot)))

    def test_the_token_limit_is_kept_and_named(self, engine: InferenceEngine) -> None:
        for completion in engine.run(PROMPTS, GREEDY):
            assert 1 <= len(completion.output_token_ids) <= GREEDY.max_new_tokens
            is_full = len(completion.output_token_ids) == GREEDY.max_new_tokens
            assert completion.finish_reason == ("length" if is_full else "stop")

    def test_text_ends_before_the_first_stop_string_even_within_tokens(
        self, engine: InferenceEngine
    ) -> None:
        free = list(engine.run(PROMPTS, GREEDY))
        for prompt, whole in zip(PROMPTS, free, strict=True):
            start = min(5, len(whole.text) - 4)
            stop = whole.text[start : start + 4]
            later = whole.text[start + 2 : start + 6]
            parameters = GenerationParameters(16, stop=("never this", stop, later))
            (cut,) = engine.run([prompt], parameters)
            assert cut.text == whole.text[: whole.text.index(stop)]
            assert cut.finish_reason == "stop"

    def test_rows_that_end_early_leave_the_others_of_their_batch_unchanged(
        self, model_dir: Path
    ) -> None:
        prompts = [*PROMPTS, *(Prompt(f"toy/b{n}", "Kim x1 " * n) for n in range(2, 14))]
        with self.make_engine(model_dir, 32) as engine:
            free = list(engine.run(prompts, GREEDY))
            # The end of every second one, so that the others go on in a smaller batch.
            stop = tuple(whole.text[3 : 5 + row % 3] for row, whole in enumerate(free) if row % 2)
            cut = list(engine.run(prompts, GenerationParameters(16, stop=stop)))
        assert {completion.finish_reason for completion in cut} == {"stop", "length"}
        for whole, short in zip(free, cut, strict=True):
            n_tokens = len(short.output_token_ids)
            assert short.output_token_ids.tolist() == whole.output_token_ids[:n_tokens].tolist()
            assert short.text == min((whole.text.split(end)[0] for end in stop), key=len)

    def test_output_ids_end_with_the_token_that_completed_the_stop_string(
        self, engine: InferenceEngine, model_dir: Path
    ) -> None:
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        (whole,) = engine.run(PROMPTS[:1], GREEDY)
        stop = whole.text[5:9]
        (cut,) = engine.run(PROMPTS[:1], GenerationParameters(16, stop=(stop,)))
        n_tokens = len(cut.output_token_ids)
        assert cut.output_token_ids.tolist() == whole.output_token_ids[:n_tokens].tolist()
        assert stop in tokenizer.decode(cut.output_token_ids)
        assert stop not in tokenizer.decode(cut.output_token_ids[:-1])

    def test_end_of_sequence_ends_a_completion_and_is_kept_in_the_ids(
        self, engine: InferenceEngine, model_dir: Path, tmp_path: Path
    ) -> None:
        (free,) = engine.run(PROMPTS[:1], GREEDY)
        end = int(free.output_token_ids[3])
        first = free.output_token_ids.tolist().index(end)
        self._copy_with_end_token(model_dir, tmp_path, end)
        with self.make_engine(tmp_path, 2) as other:
            (completion,) = other.run(PROMPTS[:1], GREEDY, CaptureSpec((0,), "output"))
        assert completion.output_token_ids.tolist() == free.output_token_ids[: first + 1].tolist()
        assert completion.finish_reason == "stop"
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        assert completion.text == tokenizer.decode(free.output_token_ids[:first])
        assert completion.hidden_states is not None
        assert completion.hidden_states.shape[0] == first + 1

    def _copy_with_end_token(self, model_dir: Path, target: Path, end: int) -> None:
        for source in model_dir.iterdir():
            content = source.read_bytes()
            if source.name in {"config.json", "generation_config.json"}:
                content = json.dumps({**json.loads(content), "eos_token_id": end}).encode()
            (target / source.name).write_bytes(content)

    def test_special_tokens_are_not_in_the_text(
        self, engine: InferenceEngine, model_dir: Path
    ) -> None:
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        for completion in engine.run(PROMPTS, SAMPLED):
            assert not any(token in completion.text for token in tokenizer.all_special_tokens)

    def test_encode_gives_the_ids_that_run_feeds(self, engine: InferenceEngine) -> None:
        for prompt, completion in zip(PROMPTS, engine.run(PROMPTS, GREEDY), strict=True):
            assert completion.prompt_token_ids.tolist() == engine.encode(prompt)
            assert completion.prompt_token_ids.dtype == np.int32
            assert completion.output_token_ids.dtype == np.int32

    def test_the_chat_template_is_applied_to_chat_prompts_only(
        self, engine: InferenceEngine
    ) -> None:
        raw, chat = Prompt("toy/r", "Hi"), Prompt("toy/c", "Hi", is_chat=True)
        seen = [completion.prompt_text for completion in engine.run([raw, chat], GREEDY)]
        assert seen == ["Hi", "<|user|>\nHi\n<|assistant|>\n"]

    @pytest.mark.parametrize("excess", [0, 1])
    def test_a_prompt_that_does_not_fit_is_refused_before_anything_runs(
        self, engine: InferenceEngine, excess: int
    ) -> None:
        length = len(engine.encode(Prompt("toy/long", "x" * 100)))
        room = GenerationParameters(max_new_tokens=CONTEXT_LENGTH - length + excess)
        prompts = [PROMPTS[1], Prompt("toy/long", "x" * 100)]
        if not excess:
            assert len(list(engine.run(prompts, room))) == 2
            return
        with pytest.raises(PromptTooLongError, match="toy/long"):
            next(iter(engine.run(prompts, room)))

    def test_nothing_is_captured_unless_asked(self, engine: InferenceEngine) -> None:
        assert all(c.hidden_states is None for c in engine.run(PROMPTS, GREEDY))

    @pytest.mark.parametrize("scope", ["prompt", "output", "prompt+output"])
    @pytest.mark.parametrize("batch_size", BATCH_SIZES)
    def test_states_equal_those_of_each_sequence_alone_at_every_position(
        self, model_dir: Path, scope: Scope, batch_size: int
    ) -> None:
        layers = (2, 0)
        with self.make_engine(model_dir, batch_size) as engine:
            completions = list(engine.run(PROMPTS, GREEDY, CaptureSpec(layers, scope)))
        assert max(len(c.prompt_token_ids) for c in completions) > 3 * SLIDING_WINDOW
        for completion in completions:
            n_prompt = len(completion.prompt_token_ids)
            ids = [*completion.prompt_token_ids, *completion.output_token_ids]
            expected = reference_states(model_dir, ids)[:, list(layers)]
            kept = {"prompt": slice(0, n_prompt), "output": slice(n_prompt, None)}.get(
                scope, slice(None)
            )
            assert completion.hidden_states is not None
            assert completion.hidden_states.dtype == np.float16
            assert completion.hidden_states.shape == expected[kept].shape
            np.testing.assert_allclose(
                completion.hidden_states.astype(np.float32),
                expected[kept],
                rtol=self.tolerance,
                atol=self.tolerance,
            )

    def test_capture_does_not_change_what_is_generated(self, engine: InferenceEngine) -> None:
        captured = list(engine.run(PROMPTS, GREEDY, CaptureSpec((0, 1, 2))))
        assert same_completions(captured, list(engine.run(PROMPTS, GREEDY)))

    def test_greedy_tokens_are_the_most_likely_given_what_precedes(
        self, engine: InferenceEngine, model_dir: Path
    ) -> None:
        model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
        for completion in engine.run(PROMPTS, GREEDY):
            ids = [*completion.prompt_token_ids, *completion.output_token_ids]
            with torch.no_grad():
                best = model(torch.tensor([ids])).logits[0].argmax(dim=-1).tolist()
            n_prompt = len(completion.prompt_token_ids)
            assert completion.output_token_ids.tolist() == best[n_prompt - 1 : -1]

    def test_states_of_given_tokens_are_those_that_were_captured(
        self, engine: InferenceEngine
    ) -> None:
        completions = list(engine.run(PROMPTS, GREEDY, CaptureSpec((0, 2))))
        sequences = [[*c.prompt_token_ids.tolist(), *c.output_token_ids] for c in completions]
        again = list(engine.states(sequences, (0, 2)))
        assert len(again) == len(completions)
        for completion, states in zip(completions, again, strict=True):
            assert completion.hidden_states is not None
            assert states.dtype == np.float16
            assert states.shape == completion.hidden_states.shape
            found, captured = (one.astype(np.float32) for one in (states, completion.hidden_states))
            np.testing.assert_allclose(found, captured, rtol=self.tolerance, atol=self.tolerance)

    def test_a_sequence_as_long_as_the_context_has_states_and_a_longer_one_is_refused(
        self, engine: InferenceEngine
    ) -> None:
        (states,) = engine.states([[5] * CONTEXT_LENGTH], (1,))
        assert states.shape == (CONTEXT_LENGTH, 1, engine.d_model)
        for tokens in ([], [5] * (CONTEXT_LENGTH + 1)):
            with pytest.raises(UsageError, match="sequence"):
                list(engine.states([tokens], (1,)))
        with pytest.raises(UsageError, match="layer"):
            list(engine.states([[5]], (3,)))

    def test_what_was_done_is_counted(self, engine: InferenceEngine) -> None:
        before = engine.usage
        completions = list(engine.run(PROMPTS, SAMPLED))
        done = engine.usage.since(before)
        assert done.completions == len(completions) == len(PROMPTS) * SAMPLED.n
        assert done.prompt_tokens == sum(len(c.prompt_token_ids) for c in completions)
        assert done.output_tokens == sum(len(c.output_token_ids) for c in completions)
        assert done.run_s > 0
        assert done.peak_memory_bytes > 1 << 20
        assert done.remarks == ()

    def test_closing_twice_is_allowed(self, model_dir: Path) -> None:
        engine = self.make_engine(model_dir, 1)
        engine.close()
        engine.close()
