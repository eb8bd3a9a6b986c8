"""Files as the older pipelines wrote them, good and with each of their known defects.

A word is a token, and states depend on a token and all before it, as a causal model's do.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

N_LAYERS, D_MODEL, VOCABULARY = 2, 64, 300
NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal")
THINGS = ("apples", "books", "coins", "pens", "stones", "shells")
FILLERS = ("in a basket", "on the old table", "near the river", "for a friend", "since Monday")


@dataclass(frozen=True)
class OldExample:
    """What an old file holds, before it is written; each field can be made wrong by itself.

    Args:
        prompts: one a sample.
        outputs: one a sample.
        scope: tokens whose states are kept.
        max_seq_len: most rows of a sample.
        array_rows: rows of the arrays; 0 for as many as there are samples.
        attributes: root attributes; None for none at all.
        chunk: shape of a chunk, shared by samples as the older pipelines did; None for contiguous.
        seen: texts that the model really saw, where they are not the prompts.
    """

    prompts: Sequence[str]
    outputs: Sequence[str]
    scope: str = "prompt+output"
    max_seq_len: int = 96
    array_rows: int = 0
    attributes: dict[str, Any] | None = field(default_factory=dict[str, Any])
    chunk: tuple[int, ...] | None = (4, 8, 1, 32)
    seen: Sequence[str] | None = None


def question(rng: np.random.Generator) -> str:
    name, thing = NAMES[rng.integers(len(NAMES))], THINGS[rng.integers(len(THINGS))]
    filler = " ".join(FILLERS[i] for i in rng.permutation(len(FILLERS))[: rng.integers(0, 5)])
    a, b = rng.integers(2, 99, 2)
    return f"{name} has {a} {thing} {filler} and finds {b} more. How many {thing} are there?"


def answer(rng: np.random.Generator) -> str:
    steps = " ".join(f"Step {i} gives {rng.integers(99)}." for i in range(rng.integers(1, 9)))
    return f"{steps} #### {rng.integers(99)}"


def questions(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng([seed, 1])
    made: dict[str, None] = {}
    while len(made) < n:
        made[question(rng)] = None
    return list(made)


def answers(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng([seed, 2])
    return [answer(rng) for _ in range(n)]


def shown(exemplars: Sequence[str], seed: int = 0) -> str:
    solutions = answers(len(exemplars), seed + 100)
    return "".join(
        f"Question: {q}\nAnswer: {a}\n\n" for q, a in zip(exemplars, solutions, strict=True)
    )


def good_example(
    n: int = 24, n_shot: int = 0, seed: int = 0, exemplars: Sequence[str] = ()
) -> OldExample:
    asked = questions(n + n_shot, seed)
    front = shown(exemplars or asked[n:], seed)
    prompts = [f"{front}Question: {q}\nAnswer:" for q in asked[:n]]
    longest = max(len(prompt.split()) for prompt in prompts) + 48
    attributes = {"model": "olmo3_base", "task": "gsm8k", "n_samples": n, "d_model": D_MODEL}
    attributes |= {"max_seq_len": longest, "layers": [0, 2], "collection_date": "2026-01-02"}
    if n_shot:
        attributes |= {"n_shot": n_shot, "model_type": "base"}
    # Rows that begin alike and share chunks shrink to a fifth; real states are not that equal.
    chunk = (1, 16, 1, 32) if n_shot else (min(n, 4), 8, 1, 32)
    return OldExample(
        prompts, answers(n, seed), max_seq_len=longest, attributes=attributes, chunk=chunk
    )


def write_old(path: Path, example: OldExample, **options: Any) -> Path:
    """Write an old file: gzip, chunks that samples share, no ids, no tokens, no scope."""
    n = example.array_rows or len(example.prompts)
    shape = (n, example.max_seq_len, N_LAYERS, D_MODEL)
    states, lengths = np.zeros(shape, dtype=np.float16), np.zeros(n, dtype=np.int32)
    for row, tokens in enumerate(_tokens(example)):
        lengths[row] = min(len(tokens), example.max_seq_len)
        states[row, : lengths[row]] = _states(tokens)[: lengths[row]]
    path.parent.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {"chunks": example.chunk, "compression": "gzip"}
    with h5py.File(path, "w", **options) as file:
        file.create_dataset("trajectories", data=states, **(stored if example.chunk else {}))
        file["sequence_lengths"] = lengths
        file["is_correct"] = np.zeros(n, dtype=bool)
        texts = {"prompts": example.prompts, "model_outputs": example.outputs}
        texts["ground_truth"] = [str(row) for row in range(len(example.prompts))]
        for name, values in texts.items():
            column = np.asarray([*values, *[""] * (n - len(values))], dtype=object)
            file.create_dataset(name, data=column, dtype=h5py.string_dtype("utf-8"))
        file.attrs.update(example.attributes or {})
    return path


def _tokens(example: OldExample) -> list[np.ndarray]:
    """Ids of the tokens whose states are kept, a sample each, with what stands before them."""
    made: list[np.ndarray] = []
    for prompt, output in zip(example.seen or example.prompts, example.outputs, strict=True):
        ids = [zlib.crc32(word.encode()) % VOCABULARY for word in f"{prompt} {output}".split()]
        n_prompt = len(prompt.split())
        kept = {"prompt": slice(0, n_prompt), "output": slice(n_prompt, None)}
        made.append(np.asarray(ids)[kept.get(example.scope, slice(None))])
    return made


def _states(tokens: np.ndarray) -> np.ndarray:
    table = np.random.default_rng(11).standard_normal((VOCABULARY, N_LAYERS, D_MODEL))
    steps = np.arange(1, len(tokens) + 1)[:, None, None]
    return (table[tokens] + np.cumsum(table[tokens], axis=0) / steps).astype(np.float16)


def edited(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def cut_off(path: Path) -> None:
    """Defect 1: a file that was uploaded while it was being written."""
    os.truncate(path, path.stat().st_size * 97 // 100)


def stopped_early(path: Path) -> None:
    """Defect 1: 10 of 24 rows were written when the collector was killed."""
    write_old(path, replace(good_example(10), array_rows=24))


def many_problems(n: int = 164) -> OldExample:
    """HumanEval: functions to be completed, each with a docstring."""
    rng = np.random.default_rng(5)
    prompts = [
        f'def solve_{row}(x: int) -> int:\n    """ {question(rng)}\n    """\n' for row in range(n)
    ]
    return OldExample(prompts, [f"    return {a}" for a in answers(n)], max_seq_len=80)


def oversized(path: Path) -> None:
    """Defect 2: 164 problems in arrays of 500 rows."""
    write_old(path, replace(many_problems(), array_rows=500, chunk=(32, 32, 1, 64)))


def prompt_only(path: Path) -> None:
    """Defect 3."""
    write_old(path, replace(good_example(), scope="prompt"))


def left_padded(path: Path) -> None:
    """Defect 4: as many rows as the sample has, taken from the padded front."""
    pad = np.random.default_rng(1).standard_normal((N_LAYERS, D_MODEL)).astype(np.float16)

    def change(file: h5py.File) -> None:
        states, lengths = file["trajectories"][:], file["sequence_lengths"][:]
        for row, length in enumerate(lengths):
            n_pad = int(lengths.max()) - int(length)
            states[row, n_pad:length] = states[row, : max(0, length - n_pad)].copy()
            states[row, : min(n_pad, length)] = pad
        file["trajectories"][:] = states

    edited(change)(path)


def constant_lengths(file: h5py.File) -> None:
    """Defect 5."""
    file["sequence_lengths"][:] = file["trajectories"].shape[1]


def never_flushed(file: h5py.File) -> None:
    """Defect 6."""
    file["trajectories"][:] = 0


def cut_at_the_limit(path: Path) -> None:
    """Defect 7: the model saw the front of long prompts only; whole prompts are stored."""
    example = good_example(n_shot=8)
    seen = [" ".join(prompt.split()[:60]) for prompt in example.prompts]
    same = [example.outputs[0]] * len(seen)
    write_old(path, replace(example, seen=seen, outputs=same, max_seq_len=64))


def cut_in_the_text(path: Path) -> None:
    """Defect 7: the prompts are stored as they were cut."""
    example = good_example(n_shot=8)
    cut = [prompt[: len(prompt) * 2 // 3] for prompt in example.prompts]
    write_old(path, replace(example, prompts=cut))


def failed_samples(file: h5py.File) -> None:
    """Defect 8: zeros, and a text that says so."""
    for row in (3, 7):
        file["model_outputs"][row] = "ERROR: CUDA out of memory"
        file["trajectories"][row] = 0


def leaking_exemplars(path: Path) -> None:
    """Defect 13: the worked examples are the first rows, of which four are graded."""
    write_old(path, good_example(n_shot=8, exemplars=[*questions(4), *questions(32)[28:]]))
