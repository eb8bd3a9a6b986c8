"""Tokens are drawn from the right candidates with the right frequencies, and reproducibly."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.inference.engine import GenerationParameters
from quarry.inference.sampling import candidate_probabilities, choose_tokens, random_stream

LOGITS = torch.log(torch.tensor([[0.05, 0.5, 0.15, 0.3]]))


def parameters(
    temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0
) -> GenerationParameters:
    return GenerationParameters(8, temperature=temperature, top_p=top_p, top_k=top_k)


def drawn(n: int, settings: GenerationParameters) -> np.ndarray:
    uniforms = torch.from_numpy(np.random.default_rng(0).random(n))
    tokens = choose_tokens(LOGITS.expand(n, -1), settings, uniforms)
    return np.bincount(tokens.numpy(), minlength=4) / n


def test_temperature_zero_takes_the_most_likely_token() -> None:
    assert choose_tokens(LOGITS, parameters(temperature=0.0), None).tolist() == [1]


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    np.testing.assert_allclose(drawn(20_000, parameters()), [0.05, 0.5, 0.15, 0.3], atol=0.01)


def test_temperature_sharpens_as_a_power_of_the_probabilities() -> None:
    squared = np.array([0.05, 0.5, 0.15, 0.3]) ** 2
    found = drawn(20_000, parameters(temperature=0.5))
    np.testing.assert_allclose(found, squared / squared.sum(), atol=0.01)


def test_top_k_keeps_the_k_most_likely() -> None:
    assert drawn(2000, parameters(top_k=2))[[0, 2]].tolist() == [0, 0]
    assert drawn(2000, parameters(top_k=99))[0] > 0


def test_top_p_keeps_the_fewest_tokens_that_reach_the_mass() -> None:
    kept = {
        mass: (candidate_probabilities(LOGITS, parameters(top_p=mass)) > 0).tolist()[0]
        for mass in (0.01, 0.5, 0.51, 0.81, 0.97)
    }
    assert kept[0.01] == [False, True, False, False]
    assert kept[0.51] == [False, True, False, True]
    assert kept[0.81] == [False, True, True, True]
    assert kept[0.97] == [True, True, True, True]


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    logits=st.lists(st.floats(-20, 20), min_size=2, max_size=12),
    uniform=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0.05, 5),
    top_p=st.floats(0.01, 1),
    top_k=st.integers(0, 12),
)
def test_a_token_that_was_cut_off_is_never_drawn(
    logits: list[float], uniform: float, temperature: float, top_p: float, top_k: int
) -> None:
    chosen = parameters(temperature, top_p, top_k)
    row = torch.tensor([logits])
    token = int(choose_tokens(row, chosen, torch.tensor([uniform], dtype=torch.float64))[0])
    assert 0 <= token < len(logits)
    assert candidate_probabilities(row, chosen)[0, token] > 0


def test_a_stream_depends_on_seed_sample_and_index_alone() -> None:
    first = random_stream(0, "gsm8k/test/17", 0).random(4).tolist()
    assert first == random_stream(0, "gsm8k/test/17", 0).random(4).tolist()
    others = [
        random_stream(1, "gsm8k/test/17", 0),
        random_stream(0, "gsm8k/test/18", 0),
        random_stream(0, "gsm8k/test/17", 1),
        random_stream(0, "gsm8k/test/1", 70),
    ]
    assert all(stream.random(4).tolist() != first for stream in others)
