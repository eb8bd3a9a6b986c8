"""Each known defect of the older pipelines has a name of its own; good old files raise no alarm."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from quarry.trajectory.report import Expected, Report
from quarry.trajectory.verification import verify
from tests.adoption import old_examples as old
from tests.adoption.old_examples import edited, good_example, write_old

Damage = Callable[[Path], None]

DEFECTS: dict[str, tuple[Damage, str, str]] = {
    "1: cut off": (old.cut_off, "file_complete", "truncated"),
    "1: stopped early": (old.stopped_early, "rows_complete", "rows_missing"),
    "2: 164 problems in 500 rows": (old.oversized, "rows_complete", "oversized_arrays"),
    "3: prompt only": (old.prompt_only, "lengths_plausible", "scope_prompt_only"),
    "4: left padding": (old.left_padded, "activations_sane", "pad_prefix"),
    "5: constant lengths": (
        edited(old.constant_lengths),
        "lengths_plausible",
        "constant_at_maximum",
    ),
    "5: their zeros": (edited(old.constant_lengths), "activations_sane", "zero_tail"),
    "6: never flushed": (edited(old.never_flushed), "activations_sane", "all_zero"),
    "7: cut at the limit": (old.cut_at_the_limit, "lengths_plausible", "question_cut"),
    "7: cut in the text": (old.cut_in_the_text, "lengths_plausible", "question_cut"),
    "8: failed samples": (edited(old.failed_samples), "rows_complete", "error_row"),
    "13: graded exemplars": (old.leaking_exemplars, "rows_complete", "exemplar_graded"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_an_old_defect_is_flagged_under_its_own_name(name: str, tmp_path: Path) -> None:
    damage, check, kind = DEFECTS[name]
    path = write_old(tmp_path / "old_trajectories.h5", good_example())
    damage(path)
    report = verify(path, expected=Expected(task="humaneval" if name[0] == "2" else None))
    assert (check, kind) in {(found.check, found.kind) for found in report.findings}
    assert report.is_clean == (name[0] == "3")


def kinds_of(report: Report, check: str) -> set[str]:
    return {found.kind for found in report.findings_of(check)}


def test_half_full_arrays_are_not_taken_for_a_small_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "old_trajectories.h5"
    old.stopped_early(path)
    report = verify(path)
    assert "oversized_arrays" not in report.kinds()
    missing = next(found for found in report.findings if found.kind == "rows_missing")
    assert missing.got == "10 rows, 42%"


def test_a_whole_small_benchmark_is_not_taken_for_a_stopped_collection(tmp_path: Path) -> None:
    path = tmp_path / "humaneval_trajectories.h5"
    old.oversized(path)
    with h5py.File(path, "r+") as file:
        file.attrs["task"] = "humaneval"
    found = {finding.kind: finding for finding in verify(path).findings}
    assert "rows_missing" not in found
    assert found["oversized_arrays"].got == "500 rows, 336 of them empty"


def test_graded_exemplars_are_named_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "old_trajectories.h5"
    old.leaking_exemplars(path)
    leaked = [found for found in verify(path).findings if found.kind == "exemplar_graded"]
    assert [found.sample_id for found in leaked] == [f"row {row}" for row in range(4)]


def test_missing_attributes_are_listed_and_condemn_nothing(tmp_path: Path) -> None:
    example = replace(good_example(), attributes={"model": "olmo3_base", "task": "gsm8k"})
    report = verify(write_old(tmp_path / "old_trajectories.h5", example))
    assert report.is_clean
    found = next(found for found in report.findings if found.kind == "attributes_missing")
    assert found.got == "no n_samples, max_seq_len, layers, d_model, collection_date"


def test_a_max_seq_len_that_is_not_the_arrays_is_flagged(tmp_path: Path) -> None:
    path = write_old(tmp_path / "old_trajectories.h5", good_example())
    with h5py.File(path, "r+") as file:
        file.attrs["max_seq_len"] = 512
    assert "attribute_mismatch" in kinds_of(verify(path), "layout_valid")


def test_a_scope_that_lengths_do_not_show_is_a_warning(tmp_path: Path) -> None:
    example = replace(good_example(), outputs=[""] * 24)
    report = verify(write_old(tmp_path / "old_trajectories.h5", example))
    assert report.is_clean
    assert "scope_unrecorded" in kinds_of(report, "lengths_plausible")


def good_variants() -> dict[str, tuple[Callable[[], old.OldExample], dict[str, Any]]]:
    """Files that are good, each odd in its own way."""

    def repeated() -> old.OldExample:
        example = good_example(n_shot=8)
        twice = [*example.prompts[:12], *example.prompts[:12]]
        return replace(example, prompts=twice, outputs=[*example.outputs[:12]] * 2)

    def short() -> old.OldExample:
        rng = np.random.default_rng(3)
        prompts = [f"{a} + {b} =" for a, b in rng.integers(0, 999, (24, 2))]
        return replace(good_example(), prompts=prompts)

    def chat(n_shot: int) -> old.OldExample:
        example = good_example(n_shot=n_shot)
        prompts = [f"<|user|>\n{prompt}<|end|>\n<|assistant|>\n" for prompt in example.prompts]
        return replace(example, prompts=prompts)

    variants: dict[str, tuple[Callable[[], old.OldExample], dict[str, Any]]] = {
        f"{n_shot} shots, seed {seed}": (
            lambda n_shot=n_shot, seed=seed: good_example(n_shot=n_shot, seed=seed),
            {},
        )
        for n_shot in (0, 1, 8)
        for seed in (1, 2)
    }
    variants |= {
        "repeated questions": (repeated, {}),
        "short prompts": (short, {}),
        "chat": (lambda: chat(0), {}),
        "chat with shots": (lambda: chat(8), {}),
        "empty outputs": (lambda: replace(good_example(), outputs=[""] * 24), {}),
        "one-letter outputs": (lambda: replace(good_example(), outputs=["B"] * 24), {}),
        "equal outputs": (lambda: replace(good_example(), outputs=["I do not know."] * 24), {}),
        "outputs only": (lambda: replace(good_example(n_shot=8), scope="output"), {}),
        "functions": (lambda: old.many_problems(30), {}),
        "three samples": (lambda: good_example(3), {}),
        "one sample": (lambda: good_example(1), {}),
        "no attributes": (lambda: replace(good_example(), attributes=None), {}),
        "contiguous": (lambda: replace(good_example(), chunk=None), {}),
        "chunk of one sample": (lambda: replace(good_example(), chunk=(1, 16, 2, 64)), {}),
        "user block": (good_example, {"userblock_size": 1024}),
        "newer superblock": (good_example, {"libver": ("v108", "v108")}),
        "outputs at the limit": (
            lambda: replace(good_example(), max_seq_len=45, attributes=None),
            {},
        ),
    }
    return variants


@pytest.mark.parametrize("name", good_variants())
def test_a_good_old_file_raises_no_alarm(name: str, tmp_path: Path) -> None:
    make, options = good_variants()[name]
    report = verify(write_old(tmp_path / "old_trajectories.h5", make(), **options))
    assert [(found.kind, found.where, found.got) for found in report.errors] == []
    allowed = {"manifest_missing", "legacy_layout", "attributes_missing", "scope_unrecorded"}
    assert report.kinds() <= allowed | {"capped"}


@pytest.mark.parametrize("seed", [57, 4096])
def test_long_prompts_that_fit_are_not_taken_for_cut_ones(seed: int, tmp_path: Path) -> None:
    """Heads are alike in every few-shot file; only rows fewer than words prove a cut."""
    example = good_example(n_shot=8, seed=seed)
    prompts = [f"{prompt} {zlib.crc32(prompt.encode())}:" for prompt in example.prompts]
    report = verify(write_old(tmp_path / "o.h5", replace(example, prompts=prompts)))
    assert "question_cut" not in report.kinds()
