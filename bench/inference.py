"""Generation and capture of hidden states with vLLM, with transformers and in two passes.

    python bench/inference.py [--size 100m] [--device cpu] [--engine-python .venv-vllm/bin/python]
        [--only capture completions states] [--repeat 5] [--json FILE]

The model has OLMo-3's shape and random weights. Each way is a process of its own with the model
loaded, so that starts do not count; they are shown apart. A round that is not counted warms each
way up, another looks at its memory. Then every round has prompts of its own, the same for all ways,
which take turns in another order; a ratio is taken within a round, tables show medians.

`capture`: generating with and without capture, and the two passes that collections were made with.
`completions`: many completions of one prompt, all of the same length and ending early at random.
`states`: hidden states of given tokens, in batches and one sequence at a time.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inference_checkpoints import SHAPES, Shape, end_ids, prompts, write_checkpoint
from inference_rounds import Way, compare, tell
from side_by_side import show

from quarry.inference.cpu_threads import let_threads_sleep

ENGINE_PYTHON = Path(__file__).resolve().parents[1] / ".venv-vllm" / "bin" / "python"
PARTS = ("capture", "completions", "states")

QUARRY = ("inference_ways.py", "quarry")
GENERATE = ("inference_ways.py", "generate")
VLLM = ("inference_vllm.py",)
ON_VLLM = {"engine": "vllm"}


class Bench:
    """Settings of all comparisons, and what they found.

    Args:
        arguments: of the command line.
        folder: for checkpoints.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        self._shape: Shape = SHAPES[arguments.size]
        self._folder = folder
        self.found: dict[str, Any] = {}

    def capture(self) -> None:
        """Generating with capture against without, and against two passes."""
        given, layers = self._arguments, self._shape.layers
        job = {"layers": [], "temperature": 0.0, "n": 1, "max_new_tokens": given.max_new_tokens}
        two_models = {"has_second_model": True}
        # A process of its own: once it has captured, vLLM does not go back to how it was.
        one_that_captures = {**ON_VLLM, "process": "captures"}
        ways = [
            Way("vLLM itself, generates only", VLLM, two_models),
            Way("quarry on vLLM, generates only", QUARRY, ON_VLLM),
            Way("quarry on vLLM, captures, too", QUARRY, one_that_captures, {"layers": layers}),
            Way("vLLM, then hooks, one by one", VLLM, two_models, {"layers": layers}),
            Way("quarry on transformers, captures, too", QUARRY, {}, {"layers": layers}),
        ]
        title = (
            f"{given.prompts} prompts of 32 to 192 tokens, {given.max_new_tokens} new tokens each"
        )

        def make(seed: int) -> dict[str, Any]:
            return {**job, "prompts": prompts(self._shape, given.prompts, seed, (32, 192))}

        self._compare("capture", title, ways, make, given.batch_size)

    def completions(self) -> None:
        """Many completions of one prompt."""
        given = self._arguments
        job = {
            "layers": [],
            "temperature": 1.0,
            "n": given.completions,
            "max_new_tokens": given.completion_tokens,
        }
        ways = [
            Way(f"transformers.generate, {chunk} at once", GENERATE, {"batch_size": chunk})
            for chunk in given.chunks
        ]
        ways += [
            Way("quarry on vLLM", QUARRY, ON_VLLM),
            Way("vLLM itself", VLLM),
            Way("quarry on transformers", QUARRY),
        ]

        def make(seed: int) -> dict[str, Any]:
            return {**job, "prompts": prompts(self._shape, 1, seed, (128, 128))}

        for ends_early in (False, True):
            lengths = "up to" if ends_early else "exactly"
            length = f"{lengths} {given.completion_tokens} tokens"
            title = f"{given.completions} completions of one prompt, {length}"
            name = f"completions, {lengths}"
            self._compare(name, title, ways, make, given.batch_size * 4, ends_early=ends_early)

    def states(self) -> None:
        """Hidden states of given tokens."""
        given = self._arguments
        ways = [
            Way(f"{engine}, {how}", QUARRY, {"engine": engine}, {"is_alone": how == "one by one"})
            for engine in ("transformers", "vllm")
            for how in ("one by one", "in batches")
        ]

        def make(seed: int) -> dict[str, Any]:
            rng = random.Random(seed)
            lengths = [rng.randint(32, 320) for _ in range(given.prompts)]
            tokens = range(self._shape.vocabulary)
            sequences = [rng.choices(tokens, k=length) for length in lengths]
            return {"sequences": sequences, "layers": self._shape.layers}

        title = f"states of {given.prompts} sequences of 32 to 320 tokens"
        self._compare("states", title, ways, make, given.batch_size)

    def _compare(
        self,
        name: str,
        title: str,
        ways: Sequence[Way],
        make_job: Callable[[int], dict[str, Any]],
        batch_size: int,
        *,
        ends_early: bool = False,
    ) -> None:
        """Run one comparison, print it and keep it."""
        given = self._arguments
        settings = {
            "engine": "transformers",
            "checkpoint": str(self._checkpoint(ends_early=ends_early)),
            "dtype": given.dtype,
            "device": given.device,
            "batch_size": batch_size,
            "memory_share": given.memory_share,
            "engine_python": given.engine_python,
            "end_ids": end_ids(self._shape) if ends_early else [],
            "has_second_model": False,
        }
        results = compare(
            ways,
            settings,
            lambda number: {"seed": number, **make_job(number)},
            given.repeat,
            given.engine_python,
        )
        self.found[name] = tell(f"{title}, batches of {batch_size}", results)

    def _checkpoint(self, *, ends_early: bool) -> Path:
        """The checkpoint, written when it is first asked for."""
        folder = self._folder / ("ends-early" if ends_early else "equal-lengths")
        if not folder.exists():
            given = self._arguments
            write_checkpoint(folder, self._shape, given.dtype, given.device, ends_early=ends_early)
        return folder


def read_arguments() -> argparse.Namespace:
    """The command line; what is not given depends on the device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=SHAPES, default="40m")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:<n>")
    parser.add_argument("--dtype", help="float32 on a CPU, else bfloat16")
    parser.add_argument("--engine-python", default=str(ENGINE_PYTHON))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--completions", type=int, default=1000)
    parser.add_argument("--completion-tokens", type=int, default=64)
    parser.add_argument("--chunks", type=int, nargs="+", default=[50, 250])
    parser.add_argument(
        "--memory-share", type=float, default=0.18, help="of a GPU, for each process with vLLM"
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    given.dtype = given.dtype or ("float32" if given.device == "cpu" else "bfloat16")
    if not Path(given.engine_python).exists():
        parser.error(f"{given.engine_python} does not exist: make vllm, or name another")
    return given


def device_name(device: str) -> str:
    """What the work runs on."""
    import torch

    if device == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(device)


def main() -> None:
    """Write the checkpoints, compare, print and keep the figures."""
    given = read_arguments()
    head = {"device": device_name(given.device), "size": given.size, "dtype": given.dtype}
    show(", ".join(head.values()))
    let_threads_sleep()  # for every way alike
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as folder:
        bench = Bench(given, Path(folder))
        parts = {"capture": bench.capture, "completions": bench.completions, "states": bench.states}
        for part in given.only:
            parts[part]()
            if given.json:
                text = json.dumps({**head, **bench.found}, indent=1)
                given.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
