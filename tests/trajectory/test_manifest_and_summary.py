"""A manifest proves itself; a summary's numbers are those of the states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from quarry.errors import FileMissingError, IntegrityError
from quarry.trajectory.manifest import manifest_path, read_manifest, write_manifest
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.summary import summarise
from tests.trajectory.examples import make_header, make_rows, publish_example, stage


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    manifest = stage(tmp_path, make_header()).manifest
    write_manifest(tmp_path / "m.json", manifest)
    assert read_manifest(tmp_path / "m.json") == manifest
    assert [one.name for one in tmp_path.glob("*.json*")] == ["m.json"]


def test_any_changed_value_is_noticed(published: Path) -> None:
    place = manifest_path(published)
    good = json.loads(place.read_text())
    for name in good:
        values = json.loads(place.read_text())
        values[name] = "0" if isinstance(good[name], str) else 0
        other = place.with_name("other.json")
        other.write_text(json.dumps(values))
        with pytest.raises(IntegrityError, match="manifest is damaged"):
            read_manifest(other)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "\x00\x00"])
def test_what_is_no_manifest_is_called_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(IntegrityError, match="manifest is damaged"):
        read_manifest(tmp_path / "m.json")
    with pytest.raises(FileMissingError, match="manifest is missing"):
        read_manifest(tmp_path / "none.json")


def test_a_summary_has_the_numbers_of_the_states(published: Path) -> None:
    summary = summarise(published)
    rows = make_rows(make_header())
    norms = [np.linalg.norm(row.hidden_states.astype(np.float64), axis=2) for row in rows]
    np.testing.assert_allclose(summary.norm_by_layer, np.concatenate(norms).mean(axis=0), rtol=1e-5)
    first = np.concatenate([one[: -(-len(one) // 10)] for one in norms])
    np.testing.assert_allclose(summary.norms[0], first.mean(axis=0), rtol=1e-5)
    assert summary.norms.shape == (10, 3)
    assert summary.norm_by_decile.shape == (10,)
    assert summary.n_tokens == sum(len(row.hidden_states) for row in rows)
    assert summary.tokens_per_sample == summary.n_tokens / 12
    assert summary.n_capped == 3
    assert summary.state_bytes == summary.n_tokens * 3 * 64 * 2
    assert summary.size_bytes == published.stat().st_size
    with TrajectoryReader(published) as reader:
        np.testing.assert_array_equal(summary.sequence_lengths, reader.sequence_lengths)


def test_very_large_states_do_not_overflow_a_summary(tmp_path: Path) -> None:
    header = make_header(n_samples=1)
    row = make_rows(header)[0]
    row.hidden_states[:] *= np.float16(8000)
    path = stage(tmp_path, header, [row]).path
    assert np.isfinite(summarise(path).norm_by_layer).all()


def test_short_samples_leave_gaps_and_no_warnings(tmp_path: Path) -> None:
    path, _ = publish_example(tmp_path, scope="output", max_seq_len=12, n_samples=3)
    summary = summarise(path)
    assert np.isfinite(summary.norm_by_layer).all()
    assert summary.norm_counts.sum() == summary.n_tokens
