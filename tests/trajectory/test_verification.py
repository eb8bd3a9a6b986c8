"""Each kind of damage is found under its own name; good files raise no alarm."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quarry.errors import IntegrityError
from quarry.trajectory.report import CHECKS, Expected
from quarry.trajectory.verification import verify
from tests.trajectory.damage import DAMAGES, bytes_of_chunk, flip_bit, overwrite
from tests.trajectory.examples import (
    make_header,
    make_rows,
    publish_example,
    stage,
)

EXPECTED = Expected(model="demo_base", task="gsm8k", n_shot=0, scope="prompt+output", n_samples=12)


def copy(source: Path, folder: Path) -> Path:
    """A published file, its manifest and its digests elsewhere."""
    target = folder / "trajectories" / "0shot" / "demo_base"
    shutil.copytree(source.parent, target)
    return target / source.name


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_under_its_name(pristine: Path, tmp_path: Path, name: str) -> None:
    damage, check, kind = DAMAGES[name]
    path = copy(pristine, tmp_path)
    damage(path)
    report = verify(path, expected=EXPECTED)
    assert not report.is_clean
    assert (check, kind) in {(found.check, found.kind) for found in report.findings}
    for found in report.findings:
        assert str(path) in found.where
        assert all([found.what, found.expected, found.got, found.cure])
    with pytest.raises(IntegrityError, match=path.name):
        report.raise_if_broken()


def test_a_good_file_passes_every_check_at_every_level(pristine: Path) -> None:
    assert verify(pristine, level="light").checks_run == ("file_complete",)
    assert verify(pristine, level="structure").checks_run == ("file_complete", "layout_valid")
    report = verify(pristine, expected=EXPECTED)
    assert (report.findings, report.checks_run) == ([], CHECKS)
    assert report.facts["n_samples"] == 12
    assert report.facts["size_bytes"] == pristine.stat().st_size


GOOD: dict[str, dict[str, Any]] = {
    "one sample": {"n_samples": 1},
    "prompts only": {"scope": "prompt"},
    "outputs only": {"scope": "output"},
    "eight shots": {"n_shot": 8, "benchmark": "gsm8k-8shot"},
    "one layer": {"layers": (31,)},
    "many layers": {"layers": tuple(range(0, 32, 2))},
    "wide": {"d_model": 1500},
    "narrow": {"d_model": 1},
    "odd sizes": {"d_model": 77, "max_seq_len": 61},
    "room to spare": {"max_seq_len": 60, "n_samples": 40},
    "chat": {"prompt_style": "chat", "model": "demo-chat.v2"},
}


@pytest.mark.parametrize("name", GOOD)
def test_varied_good_files_raise_no_alarm(tmp_path: Path, name: str) -> None:
    for seed in range(2):
        path, _ = publish_example(tmp_path / str(seed), seed, **GOOD[name])
        assert verify(path).findings == []


def test_odd_texts_raise_no_alarm(tmp_path: Path) -> None:
    header = make_header()
    rows = make_rows(header)
    rows[0] = replace(rows[0], model_output="", ground_truth="")
    rows[1] = replace(rows[1], model_output="ένα 一 \U0001f4a5 \0 \ud800 \x1b")
    rows[2] = replace(rows[2], model_output="An ERROR: in the middle")
    staged = stage(tmp_path, header, rows)
    assert verify(staged.path, manifest=staged.manifest).findings == []


def test_every_bit_flip_in_the_file_is_found(pristine: Path, tmp_path: Path) -> None:
    path = copy(pristine, tmp_path)
    rng = np.random.default_rng(20)
    for position in rng.integers(0, path.stat().st_size, 24).tolist():
        flip_bit(path, position, bit := int(rng.integers(8)))
        assert not verify(path, deadline_s=20).is_clean, (position, bit)
        flip_bit(path, position, bit)
    assert verify(path).is_clean


def test_a_zeroed_page_anywhere_is_found(pristine: Path, tmp_path: Path) -> None:
    path = copy(pristine, tmp_path)
    good = path.read_bytes()
    for page in np.random.default_rng(21).integers(0, len(good) // 4096, 15).tolist():
        overwrite(path, page * 4096, bytes(4096))
        if path.read_bytes() != good:
            assert not verify(path, deadline_s=20).is_clean, page
        path.write_bytes(good)


def test_damage_is_located_down_to_sample_and_bytes(pristine: Path, tmp_path: Path) -> None:
    path = copy(pristine, tmp_path)
    start, _ = bytes_of_chunk(path, 4)
    size = 21 * 3 * 64 * 2
    flip_bit(path, start + size + 100)
    found = verify(path).findings_of("chunks_intact")
    assert [one.kind for one in found] == ["states_changed"]
    assert [one.sample_id for one in found] == ["gsm8k/test/12"]
    assert f"row 4, tokens 21-42, bytes {start + size}-{start + 2 * size}" in found[0].where


def test_a_truncated_file_is_never_opened(pristine: Path, tmp_path: Path) -> None:
    path = copy(pristine, tmp_path)
    os.truncate(path, path.stat().st_size - 1)
    report = verify(path)
    assert report.checks_run == ("file_complete", "chunks_intact")
    assert report.kinds() == {"truncated", "manifest_mismatch", "states_changed"}


def test_many_equal_findings_are_condensed(tmp_path: Path) -> None:
    path, _ = publish_example(tmp_path, n_samples=40)
    DAMAGES["maximal lengths"][0](path)
    found = [one for one in verify(path).findings if one.kind == "scope_mismatch"]
    assert len(found) == 21
    assert "more findings of this kind" in found[-1].what


def test_a_missing_file_and_a_folder_are_findings(tmp_path: Path) -> None:
    assert verify(tmp_path / "none.h5").kinds() == {"missing"}
    assert verify(tmp_path).kinds() == {"not_a_file"}
