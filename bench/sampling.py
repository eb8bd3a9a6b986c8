"""Many completions of a prompt: shared beginnings against a row each, and what memory holds.

    python bench/sampling.py [--size 40m] [--device cpu] [--threads 1] [--batch-size 16] [--n 1000]
        [--tokens 10] [--prompts 3] [--temperatures 0.01 0.02 1.0] [--repeat 3] [--json FILE]

Ways: `generate` of transformers with `num_return_sequences`, a batch at a time, as evaluation sets
were sampled before; quarry with a row for each completion; quarry as it samples, each distinct
beginning once. Weights are random in OLMo-3's shape, so that the temperature decides how many
completions are distinct: 0.01 gives about eight of a thousand, as trained models do at 0.1.

Each round has prompts of its own, and the ways take turns in another order; ratios are taken within
a round, tables show medians. Then `sample_completions` runs whole, for 200 and for 20,000
generations, at a temperature at which all differ: each in a process of its own, whose greatest
size is read.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from inference_checkpoints import SHAPES, prompts, write_checkpoint
from memory_peak import size_bytes
from side_by_side import show

from quarry.inference.cpu_threads import let_threads_sleep

Way = Callable[[Sequence[str], float], int]
"""Completes prompts at a temperature; returns how many distinct completions there are."""

PROMPT_TOKENS = (12, 24)


def main() -> None:
    """Run the comparison, or one measurement of memory."""
    arguments = _arguments()
    let_threads_sleep()
    if arguments.memory_of:
        show(json.dumps(_memory(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model"
        write_checkpoint(
            checkpoint, SHAPES[arguments.size], "float32", arguments.device, ends_early=False
        )
        figures: dict[str, Any] = {"speed": _speed(arguments, checkpoint)}
        figures["memory"] = [
            _measured_apart(arguments, checkpoint, n) for n in (200, 20_000, 200, 20_000)
        ]
    for one in figures["memory"]:
        show(f"n = {one['n']:>6,}: {one['peak_bytes'] / 1e6:8.1f} MB, {one['distinct']:,} distinct")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _speed(arguments: argparse.Namespace, checkpoint: Path) -> list[dict[str, Any]]:
    """Seconds of each way at each temperature."""
    import torch

    torch.set_num_threads(arguments.threads)
    ways = _ways(arguments, checkpoint)
    shape, figures = SHAPES[arguments.size], list[dict[str, Any]]()
    for temperature in arguments.temperatures:
        taken: dict[str, list[float]] = {name: [] for name in ways}
        distinct: dict[str, list[int]] = {name: [] for name in ways}
        for turn in range(arguments.repeat):
            texts = prompts(shape, arguments.prompts, turn, PROMPT_TOKENS)
            for name in random.Random(turn).sample(list(ways), len(ways)):
                started = time.perf_counter()
                distinct[name].append(ways[name](texts, temperature))
                taken[name].append(time.perf_counter() - started)
        figures.append(_table(arguments, temperature, taken, distinct))
    return figures


def _table(
    arguments: argparse.Namespace,
    temperature: float,
    taken: dict[str, list[float]],
    distinct: dict[str, list[int]],
) -> dict[str, Any]:
    """Print the medians of one temperature; returns them."""
    first, total = next(iter(taken.values())), arguments.n * arguments.prompts
    show(f"\n{total:,} completions of {arguments.tokens} tokens, temperature {temperature:g}")
    show(f"{'':<28}{'seconds':>10}{'of first':>10}{'distinct':>10}")
    rows: dict[str, Any] = {}
    for name, seconds in taken.items():
        ratio = statistics.median(a / b for a, b in zip(first, seconds, strict=True))
        rows[name] = {
            "s": statistics.median(seconds),
            "times_faster": ratio,
            "distinct": statistics.median(distinct[name]),
        }
        show(f"{name:<28}{rows[name]['s']:>10.2f}{ratio:>9.1f}x{rows[name]['distinct']:>10.0f}")
    return {"temperature": temperature, "ways": rows}


def _ways(arguments: argparse.Namespace, checkpoint: Path) -> dict[str, Way]:
    """The ways by name; the first is what the others are compared with."""
    import torch

    from quarry.inference.engine import GenerationParameters, Prompt
    from quarry.inference.transformers_engine import TransformersEngine

    n, batch = arguments.n, arguments.batch_size
    engine = TransformersEngine.load(checkpoint, device=arguments.device, batch_size=batch)

    def plain(texts: Sequence[str], temperature: float) -> int:
        tokenizer, found = engine.tokenizer, set[tuple[str, tuple[int, ...]]]()
        for text in texts:
            ids = torch.tensor([tokenizer(text)["input_ids"]], device=engine.model.device)
            for start in range(0, n, batch):
                with torch.inference_mode():
                    rows = cast(Any, engine.model).generate(
                        ids,
                        attention_mask=torch.ones_like(ids),
                        do_sample=True,
                        temperature=temperature,
                        top_k=0,
                        max_new_tokens=arguments.tokens,
                        num_return_sequences=min(batch, n - start),
                    )
                found |= {(text, tuple(row[ids.shape[1] :].tolist())) for row in rows}
        return len(found)

    def run(texts: Sequence[str], temperature: float, part: int) -> int:
        found = set[tuple[int, str]]()
        questions = [Prompt(text, text) for text in texts]
        for first in range(0, n, part):
            parameters = GenerationParameters(
                max_new_tokens=arguments.tokens,
                temperature=temperature,
                n=min(part, n - first),
                first=first,
            )
            found |= {(one.prompt_index, one.text) for one in engine.run(questions, parameters)}
        return len(found)

    return {
        "transformers generate": plain,
        "quarry, a row each": lambda texts, t: run(texts, t, batch - 1),
        "quarry": lambda texts, t: run(texts, t, n),
    }


def _measured_apart(arguments: argparse.Namespace, checkpoint: Path, n: int) -> dict[str, Any]:
    """The greatest size of a process that samples `n` generations of a prompt."""
    command = [sys.executable, __file__, "--memory-of", str(checkpoint), "--n", str(n)]
    command += ["--threads", str(arguments.threads), "--size", arguments.size]
    command += ["--batch-size", str(arguments.batch_size), "--device", arguments.device]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Sample one prompt whole, from the model to the table; runs in a process of its own."""
    import torch

    from quarry.inference.engine import GenerationParameters
    from quarry.inference.transformers_engine import TransformersEngine
    from quarry.sampling.prompts import EvalPrompt
    from quarry.sampling.sampling import SamplingPlan, sample_completions

    torch.set_num_threads(arguments.threads)
    parameters = GenerationParameters(max_new_tokens=5, temperature=1.0, n=arguments.n)
    plan = SamplingPlan("run", "checkpoint", [EvalPrompt("a/0", "w1 w2 w3", "w4")], parameters, 500)
    with (
        tempfile.TemporaryDirectory() as folder,
        TransformersEngine.load(
            arguments.memory_of, device=arguments.device, batch_size=arguments.batch_size
        ) as engine,
    ):
        store, table = Path(folder) / "store.sqlite", Path(folder) / "completions.parquet"
        sampled = sample_completions(plan, engine, str, store, log=lambda line: None)
        sampled.digest()
        distinct = sampled.write(table)
        sampled.discard()
    return {"n": arguments.n, "distinct": distinct, "peak_bytes": size_bytes("VmHWM")}


def _arguments() -> argparse.Namespace:
    """What to compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", choices=SHAPES, default="40m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.01, 0.02, 1.0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
