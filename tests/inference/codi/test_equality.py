"""Batched CODI gives what the book's one-at-a-time way gives: answers, and logits at each token."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch

from quarry.inference.capture import decoder_blocks
from quarry.inference.codi.checkpoint import load_codi
from quarry.inference.codi.comparison import CodiComparison
from quarry.inference.codi.model import CodiModel
from quarry.inference.codi.questions import Question
from quarry.inference.codi.runs import Runs
from quarry.inference.codi.settings import KINDS, PROTOCOLS, Ablation, CodiCheckpoint, CodiSettings
from tests.inference.codi_checkpoints import (
    PROBLEMS,
    plain_state,
    projection_module,
    random_projection,
    write_base,
    write_state,
)
from tests.inference.codi_reference import PlainAnswer, PlainCodi, plain_replacement

ARCHITECTURES = ("llama", "gpt2", "qwen2", "olmo3")
"""The last with sliding attention in two of its three blocks."""
BATCH_SIZES = (1, 3, 16)
LAYERS = ("middle", "all", 0, 2)
MAX_NEW_TOKENS = 6
WITHIN = 2e-3
"""Of logits that spread over about ±20: the rounding of float32, five layers and a batch deep."""


def settings_of(number: int, protocol: str, kind: str) -> CodiSettings:
    """Settings of a case; over all cases every layer, and every number of slots, ablated or not."""
    n_latents = (number + number // 8) % 6 + 1
    n_ablated = None if number % 3 == 0 else (number * 5) % n_latents + 1
    ablation = Ablation(kind, LAYERS[(number + number // 4) % 4], n_ablated, seed=number)  # pyright: ignore[reportArgumentType]
    return CodiSettings(protocol, n_latents, MAX_NEW_TOKENS, ablation)  # pyright: ignore[reportArgumentType]


CASES = {
    f"{architecture}-{protocol}-{kind}": (architecture, settings_of(number, protocol, kind))
    for number, (kind, protocol, architecture) in enumerate(
        product(KINDS, PROTOCOLS, ARCHITECTURES)
    )
}


class Pair:
    """One model, once as it is and once taken apart, and what the latter gives."""

    def __init__(self, folder: Path, architecture: str) -> None:
        base = write_base(folder / "base", architecture)
        weights = write_state(folder / "weights", plain_state(architecture))
        self.model = load_codi(CodiCheckpoint(weights, base), device="cpu")
        # The projection by its published names, so that the loader's own is tested as well.
        self.projection = projection_module(random_projection(64), 64)
        tokens = self.model.tokens
        self.plain = PlainCodi(
            self.model.model,
            self.projection,
            decoder_blocks(self.model.model),
            tokens.bot,
            tokens.eot,
            tokens.ends,
        )

    def ids(self, settings: CodiSettings) -> dict[str, list[int]]:
        """Token ids of the questions, double spaces made single as the authors do."""
        encode = self.model.tokenizer
        return {
            name: list(encode(text.strip().replace("  ", " "))["input_ids"])
            for name, text in PROBLEMS
        }

    @cache  # noqa: B019  a pair lives as long as its module's tests
    def expected(self, settings: CodiSettings) -> dict[str, tuple[PlainAnswer, PlainAnswer]]:
        """Both answers by problem."""
        questions = self.ids(settings)
        found = {name: self.plain.run(ids, settings) for name, ids in questions.items()}
        thoughts = {name: states for name, (_, states) in found.items()}
        layers = self.plain.layers(settings.ablation.layer)
        ablated = {
            name: self.plain.run(
                ids, settings, plain_replacement(name, settings, layers, thoughts)
            )[0]
            for name, ids in questions.items()
        }
        return {name: (found[name][0], ablated[name]) for name in questions}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {name: Pair(tmp_path_factory.mktemp(name), name) for name in ARCHITECTURES}
    torch.set_num_threads(threads)


def compare(model: CodiModel, settings: CodiSettings, batch_size: int) -> list[CodiComparison]:
    """The batched way; no problem may fail."""
    reference = model.reference(PROBLEMS, settings, batch_size)
    results = model.compare(PROBLEMS, settings, reference, batch_size)
    assert all(isinstance(result, CodiComparison) for result in results), results
    return [result for result in results if isinstance(result, CodiComparison)]


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_the_book_at_every_batch_size(
    case: str, pairs: dict[str, Pair]
) -> None:
    architecture, settings = CASES[case]
    pair = pairs[architecture]
    expected = pair.expected(settings)
    for batch_size in BATCH_SIZES:
        results = compare(pair.model, settings, batch_size)
        assert [result.id for result in results] == [name for name, _ in PROBLEMS]
        for result in results:
            baseline, ablated = expected[result.id]
            assert list(result.baseline_ids) == baseline.ids, (result.id, batch_size)
            assert list(result.ablated_ids) == ablated.ids, (result.id, batch_size)


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_book(case: str, pairs: dict[str, Pair]) -> None:
    architecture, settings = CASES[case]
    pair = pairs[architecture]
    layers = tuple(pair.plain.layers(settings.ablation.layer))
    ids = pair.ids(settings)
    questions = [Question(place, name, ids[name]) for place, name in enumerate(ids)]
    seen: dict[int, list[torch.Tensor]] = {row: [] for row in range(2 * len(ids))}

    def observe(rows: list[int], logits: torch.Tensor) -> None:
        for row, one in zip(rows, logits.clone(), strict=True):
            seen[row].append(one)

    runs = Runs(pair.model.model, pair.projection, pair.model.tokens)
    reference = pair.model.reference(PROBLEMS, settings)
    runs.both(questions, settings, layers, reference, observe)
    for row, name in enumerate([*ids, *ids]):
        expected = pair.expected(settings)[name][row // len(ids)].logits
        assert float(expected.std()) > 1, "the measure needs logits that spread"
        torch.testing.assert_close(torch.stack(seen[row]), expected, rtol=0, atol=WITHIN)


def test_the_cases_differ_enough_to_tell_a_wrong_ablation(pairs: dict[str, Pair]) -> None:
    """Equal answers prove nothing where an ablation changes none."""
    answers = [
        both
        for architecture, settings in CASES.values()
        for both in pairs[architecture].expected(settings).values()
    ]
    changed = sum(baseline.ids != ablated.ids for baseline, ablated in answers)
    assert changed > 0.5 * len(answers)
    lengths = {len(answer.ids) for both in answers for answer in both}
    assert len(lengths) > 3, "rows must leave their batch at different times"
    assert {settings.n_latents for _, settings in CASES.values()} == set(range(1, 7))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("one slot fewer", {"n_latents": 5}),
        ("another protocol", {"protocol": "bot_in_slots"}),
        ("one ablated slot fewer", {"ablation": Ablation("zeros", "middle", 5)}),
        ("another block", {"ablation": Ablation("zeros", 2)}),
        ("another kind", {"ablation": Ablation("mean", "middle")}),
    ],
)
def test_the_book_tells_settings_apart(
    name: str, change: dict[str, object], pairs: dict[str, Pair]
) -> None:
    pair = pairs["llama"]
    usual = CodiSettings(max_new_tokens=MAX_NEW_TOKENS)
    changed = CodiSettings(**{"max_new_tokens": MAX_NEW_TOKENS, **change})  # pyright: ignore[reportArgumentType]
    assert [ablated.ids for _, ablated in pair.expected(usual).values()] != [
        ablated.ids for _, ablated in pair.expected(changed).values()
    ], name
