"""What lies in staging belongs to one cell and one process until it is published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quarry.errors import IntegrityError, UnknownNameError
from quarry.keys import TrajectoryKey
from quarry.trajectory.journal import journal_path
from quarry.trajectory.kept_rows import kept_rows
from quarry.trajectory.manifest import manifest_path, write_manifest
from quarry.trajectory.publication import publish
from quarry.trajectory.staging import StagedFile, staged_files, staging_path
from quarry.trajectory.verification import verify
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.damage import flip_bit
from tests.trajectory.examples import make_header, make_rows

KEY = TrajectoryKey("demo_base", "gsm8k", 0)
HEADER = make_header()


def collected(data_dir: Path, **changes: object) -> StagedFile:
    header = replace(HEADER, **changes)
    with TrajectoryWriter(staging_path(data_dir, header.key), header, is_durable=True) as writer:
        for row in make_rows(header):
            writer.append(row)
        return writer.finish()


def n_kept(data_dir: Path, key: TrajectoryKey = KEY) -> int:
    with kept_rows(data_dir, key) as sources:
        ids = [(one, name) for one in sources for name in one.sample_ids]
        return sum(source.row(name) is not None for source, name in ids)


def test_a_publication_leaves_a_file_alone_that_another_run_is_about_to_publish(
    tmp_path: Path,
) -> None:
    other, mine = collected(tmp_path, code_version="2"), collected(tmp_path)
    publish(mine, tmp_path / KEY.trajectory_path)
    assert other.path.exists()
    publish(other, tmp_path / KEY.trajectory_path)
    assert verify(tmp_path / KEY.trajectory_path).findings == []
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_verification_that_takes_too_long_costs_no_rows(tmp_path: Path) -> None:
    staged = collected(tmp_path)
    with pytest.raises(IntegrityError, match="no end after"):
        publish(staged, tmp_path / KEY.trajectory_path, deadline_s=0.001)
    assert journal_path(staged.path).exists()
    assert n_kept(tmp_path) == HEADER.n_samples


def test_cells_whose_names_run_together_keep_their_files_apart(tmp_path: Path) -> None:
    left = TrajectoryKey("a.v1", "gsm8k", 0)
    right = TrajectoryKey("a", "v1.gsm8k", 0)
    kept = collected(tmp_path, model="a.v1", benchmark="gsm8k-0shot")
    assert kept.journal is not None
    kept.journal.close()
    staged = collected(tmp_path, model="a", task="v1.gsm8k", benchmark="v1.gsm8k-0shot")
    assert staged_files(tmp_path, right) == [staged.path]
    publish(staged, tmp_path / right.trajectory_path)
    assert n_kept(tmp_path, left) == HEADER.n_samples


def test_a_salvaged_file_that_changed_is_no_source_and_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "staging" / "demo_base+gsm8k-0shot.salvaged-01234567.h5"
    header = replace(HEADER, partial_of=20)
    with TrajectoryWriter(path, header) as writer:
        for row in make_rows(header):
            writer.append(row)
        staged = writer.finish()
    write_manifest(manifest_path(path), staged.manifest)
    assert n_kept(tmp_path) == HEADER.n_samples
    size = path.stat().st_size
    counts: list[int] = []
    for position in range(100, size, size // 40):
        flip_bit(path, position)
        counts.append(n_kept(tmp_path))
        flip_bit(path, position)
    # In what HDF5 reads: no row; in a row's states: that row; in the padding behind them: none.
    assert set(counts) == {0, HEADER.n_samples - 1, HEADER.n_samples}


def test_names_that_would_make_too_long_file_names_are_refused_at_once() -> None:
    TrajectoryKey("m" * 80, "t", 0)
    with pytest.raises(UnknownNameError, match="too long"):
        TrajectoryKey("m" * 95, "gsm8k", 0)


def test_the_longest_names_can_be_collected_and_published(tmp_path: Path) -> None:
    model = "m" * (100 - len("gsm8k-0shot"))
    staged = collected(tmp_path, model=model)
    key = TrajectoryKey(model, "gsm8k", 0)
    publish(staged, tmp_path / key.trajectory_path)
    assert verify(tmp_path / key.trajectory_path).findings == []
    assert list((tmp_path / "staging").iterdir()) == []
