"""CODI with and without its thoughts: quarry's batches against one problem at a time.

    python bench/codi.py [--size tiny] [--device cpu] [--threads 1] [--batch-sizes 1 16 64 128]
        [--problems 256] [--repeat 5] [--kind zeros] [--json FILE]

The model has Llama's shape, random weights, LoRA merged. One at a time is how the necessity of
thoughts was tested before: each problem is run twice, once for each condition, with a key-value
cache of its own, hooks for the ablation, and greedy tokens until the answer ends.

All ways take the same problems in the same process. A round that is not counted warms them up; then
each round has problems of its own, and the ways take turns in another order. Ratios are taken
within a round; tables show medians. Memory is the most that a way added to what it found.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codi_one_by_one import OneByOne
from inference_checkpoints import Shape, prompts
from memory_peak import added_bytes
from side_by_side import show

from quarry.inference.cpu_threads import let_threads_sleep

SHAPES = {
    "tiny": Shape(128, 3, 4, 512, vocabulary=2048),
    "40m": Shape(512, 8, 8, 2048),
    "100m": Shape(768, 12, 12, 2560),
    "1b": Shape(2048, 16, 32, 8192, vocabulary=128_256),
}
QUESTION_TOKENS = (28, 78)
"""53 on average, like GSM8K's questions, nine in ten of which have 28 to 91 words and marks."""

END_SHARE = 10
"""One token in so many ends an answer: as long as a trained model's on average, though a trained
model's lengths differ less."""

Problems = Sequence[tuple[str, str]]
Way = Callable[[Problems], list[tuple[list[int], list[int]]]]


def write_checkpoint(folder: Path, shape: Shape, seed: int = 0) -> tuple[Path, Path]:
    """A base model's config and tokenizer, and a CODI state dict with random weights."""
    import torch
    from inference_checkpoints import tokenizer_of
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_ff,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=max(1, shape.n_heads // 4),
        max_position_embeddings=2048,
        eos_token_id=list(range(1, shape.vocabulary, END_SHARE)),
        pad_token_id=0,
        # Smaller weights make a model repeat itself without end, larger ones a chaos of rounding.
        initializer_range=1.0 * shape.d_model**-0.5,
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(folder / "base")
    tokenizer_of(shape).save_pretrained(folder / "base")
    config.vocab_size += 3
    state = {f"codi.{name}": one for name, one in LlamaForCausalLM(config).state_dict().items()}
    width, d_model = shape.d_model, shape.d_model
    for name, rows in {"1": width, "3": d_model}.items():
        state[f"prj.{name}.weight"] = torch.randn(rows, d_model) / d_model**0.5
        state[f"prj.{name}.bias"] = torch.zeros(rows)
    state["prj.ln.weight"] = torch.ones(d_model) * 0.02
    state["prj.ln.bias"] = torch.zeros(d_model)
    (folder / "weights").mkdir()
    save_file(state, folder / "weights" / "model.safetensors")
    return folder / "weights", folder / "base"


def make_ways(
    model: Any, settings: Any, reference: Any, batch_sizes: Sequence[int]
) -> dict[str, Way]:
    """What is compared, by name; the first is what the others are compared with."""
    alone = OneByOne(model, settings, reference)

    def batched(batch_size: int) -> Way:
        def run(problems: Problems) -> list[tuple[list[int], list[int]]]:
            results = model.compare(problems, settings, reference, batch_size)
            return [(list(one.baseline_ids), list(one.ablated_ids)) for one in results]

        return run

    ways: dict[str, Way] = {"one at a time": alone.run}
    ways |= {f"quarry, batches of {size}": batched(size) for size in batch_sizes}
    return ways


def measure(
    ways: dict[str, Way], make_problems: Callable[[int], Problems], repeat: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds, megabytes added and equal answers of every way in every round."""
    found: dict[str, dict[str, list[float]]] = {
        name: {"s": [], "cpu_s": [], "added_mb": [], "equal": [], "tokens": []} for name in ways
    }
    for turn in range(repeat + 1):
        problems, answers = make_problems(turn), {}
        for name in random.Random(turn).sample(list(ways), len(ways)):
            with added_bytes() as memory:
                busy, started = time.process_time(), time.perf_counter()
                answers[name] = ways[name](problems)
                taken_s, busy_s = time.perf_counter() - started, time.process_time() - busy
            if turn > 0:
                found[name]["s"].append(taken_s)
                found[name]["cpu_s"].append(busy_s)
                found[name]["added_mb"].append(memory.added / 1e6)
        expected = next(iter(ways))
        for name in ways if turn > 0 else ():
            pairs = zip(answers[name], answers[expected], strict=True)
            found[name]["equal"].append(statistics.fmean(a == b for a, b in pairs))
            lengths = [len(ids) for both in answers[name] for ids in both]
            found[name]["tokens"].append(statistics.fmean(lengths))
    return found


def tell(found: dict[str, dict[str, list[float]]], n_problems: int) -> dict[str, Any]:
    """Print a table; the same as plain values."""
    first = next(iter(found.values()))
    tokens = statistics.fmean(first["tokens"])
    show(f"{tokens:.1f} tokens an answer\n{'':<28}{'':>12}{'times the first':>27}")
    show(f"{'':<28}{'problems/s':>12}{'time':>7}{'range':>13}{'CPU':>7}{'MB':>7}{'equal':>8}")
    told: dict[str, Any] = {}
    for name, runs in found.items():
        ratios = [a / b for a, b in zip(first["s"], runs["s"], strict=True)]
        busy = [a / b for a, b in zip(first["cpu_s"], runs["cpu_s"], strict=True)]
        row = {
            "problems_per_s": n_problems / statistics.median(runs["s"]),
            "times_first": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
            "times_first_cpu": statistics.median(busy),
            "added_mb": max(runs["added_mb"]),
            "equal_answers": statistics.fmean(runs["equal"]),
        }
        spread = f"{row['lowest']:.1f}-{row['highest']:.1f}"
        show(
            f"{name:<28}{row['problems_per_s']:>12.1f}{row['times_first']:>7.1f}{spread:>13}"
            f"{row['times_first_cpu']:>7.1f}{row['added_mb']:>7.0f}{row['equal_answers']:>8.1%}"
        )
        told[name] = row
    return told


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=SHAPES, default="tiny")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:<n>")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16, 64, 128])
    parser.add_argument("--kind", default="zeros")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Run all ways and print what they took."""
    given = read_arguments()
    let_threads_sleep()
    import torch

    from quarry.inference.codi.checkpoint import load_codi
    from quarry.inference.codi.settings import Ablation, CodiCheckpoint, CodiSettings

    torch.set_num_threads(given.threads)
    shape = SHAPES[given.size]

    def make_problems(seed: int) -> Problems:
        texts = prompts(shape, given.problems, seed, QUESTION_TOKENS)
        return [(f"{seed}_{place}", text) for place, text in enumerate(texts)]

    settings = CodiSettings(max_new_tokens=given.max_new_tokens, ablation=Ablation(given.kind))
    with tempfile.TemporaryDirectory() as folder:
        weights, base = write_checkpoint(Path(folder), shape)
        model = load_codi(CodiCheckpoint(weights, base), dtype=given.dtype, device=given.device)
        reference = None
        if settings.ablation.needs_reference:
            reference = model.reference(make_problems(1000), settings)
        n_weights = sum(one.numel() for one in model.model.parameters())
        show(
            f"{given.size}: {n_weights / 1e6:.1f} million weights, {given.problems} problems of "
            f"{QUESTION_TOKENS[0]} to {QUESTION_TOKENS[1]} tokens, {given.threads} threads, "
            f"{given.device}"
        )
        ways = make_ways(model, settings, reference, given.batch_sizes)
        told = tell(measure(ways, make_problems, given.repeat), given.problems)
    if given.json:
        given.json.write_text(json.dumps({"arguments": vars(given), "found": told}, default=str))


if __name__ == "__main__":
    main()
