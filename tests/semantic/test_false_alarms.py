"""Clean rows of many random models, and how small a fault may be to be found."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from quarry.inference.capture import HiddenStateCapture, TokenSpan, decoder_blocks
from quarry.semantic.reference import Reference
from quarry.semantic.screening import screen
from quarry.semantic.stored_row import StoredRow
from quarry.semantic.tolerance import tolerance_of
from quarry.trajectory.layout import States

FAMILIES = [
    (Olmo3Config, Olmo3ForCausalLM),
    (LlamaConfig, LlamaForCausalLM),
    (Qwen3Config, Qwen3ForCausalLM),
]
VOCABULARY = 60
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


class GivenStates:
    """Recomputed states of one sequence that are there already."""

    def __init__(self, states: States) -> None:
        self._states = states
        self.n_layers = states.shape[1]

    def __len__(self) -> int:
        return len(self._states)

    def layers(self, wanted):
        return ((layer, self._states[:, layer]) for layer in wanted)


def given(states: States) -> Reference:
    """They in place of a model, which is asked for nothing else here."""
    return cast("Reference", GivenStates(states))


def random_model(seed: int) -> PreTrainedModel:
    rng = np.random.default_rng(seed)
    config, family = FAMILIES[seed % 3]
    torch.manual_seed(seed)
    return family(
        config(
            vocab_size=VOCABULARY,
            hidden_size=int(rng.choice([16, 32, 64])),
            intermediate_size=64,
            num_hidden_layers=int(rng.integers(2, 9)),
            num_attention_heads=2,
            num_key_value_heads=2,
            initializer_range=float(rng.choice([0.02, 0.05, 0.1])),
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()


def states_of(model: PreTrainedModel, sequences: list[list[int]]) -> list[States]:
    capture = HiddenStateCapture(model, decoder_blocks(model), 0)
    spans = [TokenSpan("one", ids, 0, len(ids)) for ids in sequences]
    return capture.states(spans, range(int(model.config.num_hidden_layers)))


@dataclass(frozen=True)
class Captured:
    """A row as it was captured in a batch, by dtype, and its states recomputed in float32."""

    tokens: list[int]
    stored: dict[torch.dtype, States]
    whole: States

    def row(self, dtype: torch.dtype, shift: int = 0) -> StoredRow:
        layers = tuple(range(0, self.whole.shape[1], 2))
        columns = [max(0, layer + shift) for layer in layers]
        tokens = np.array(self.tokens, np.int32)
        states = self.stored[dtype][:, columns]
        return StoredRow(0, "one", states, tokens, len(tokens), "prompt", layers)


def captured(seed: int) -> Captured:
    rng = np.random.default_rng([1, seed])
    sequences = [rng.integers(1, VOCABULARY, n).tolist() for n in rng.integers(1, 40, 3)]
    sequences[1] = [7] * len(sequences[1])  # repeats, as bad models make them
    model, which = random_model(seed), seed % 2
    whole = states_of(model, [sequences[which]])[0]
    stored = {dtype: states_of(cast("Any", model).to(dtype), sequences)[which] for dtype in DTYPES}
    return Captured(sequences[which], stored, whole)


@pytest.fixture(scope="module")
def models(one_thread: None) -> list[Captured]:
    return [captured(seed) for seed in range(200)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_clean_row_of_200_random_models_is_suspected(models, dtype):
    tolerance = tolerance_of({"dtype": str(dtype)}, {"dtype": "float32"})
    suspected = {
        seed: screening.bad
        for seed, one in enumerate(models)
        if not (screening := screen(one.row(dtype), given(one.whole), tolerance)).is_clean
    }
    assert suspected == {}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layer_too_early_is_seen_in_every_random_model(models, dtype):
    tolerance = tolerance_of({"dtype": str(dtype)}, {"dtype": "float32"})
    with_layers = [one for one in models if one.whole.shape[1] > 2]
    missed = [
        one.tokens
        for one in with_layers
        if screen(one.row(dtype, -1), given(one.whole), tolerance).is_clean
    ]
    assert missed == []
    assert len(with_layers) > 150
