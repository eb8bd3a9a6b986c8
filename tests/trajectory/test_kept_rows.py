"""Whatever a killed writer had written is read back, row for row, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import StorageFullError
from quarry.keys import TrajectoryKey
from quarry.trajectory.journal import journal_path
from quarry.trajectory.kept_rows import condemn, kept_rows
from quarry.trajectory.layout import TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.staging import staging_path, sweep_staging
from quarry.trajectory.verification import verify
from quarry.trajectory.write_thread import WriteThread
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.damage import flip_bit
from tests.trajectory.examples import make_header, make_rows

KEY = TrajectoryKey("demo_base", "gsm8k", 0)
HEADER = make_header()
ROWS = make_rows(HEADER)


def in_child(work: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(7)
    os.waitpid(child, 0)


def write_and_die(data_dir: Path, n_rows: int) -> None:
    """Write some rows and be killed once the last of them is in the journal."""
    path = staging_path(data_dir, KEY)
    with TrajectoryWriter(path, HEADER, is_durable=True) as writer:
        for row in ROWS[:n_rows]:
            writer.append(row)
        while journal_path(path).read_bytes().count(b"\n") < n_rows + 1:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)


def rows_left(data_dir: Path) -> list[TrajectoryRow]:
    with kept_rows(data_dir, KEY) as sources:
        found = [source.row(one) for source in sources for one in source.sample_ids]
    return [row for row in found if row is not None]


def is_same(left: TrajectoryRow, right: TrajectoryRow) -> bool:
    arrays = ("hidden_states", "token_ids")
    plain = replace(left, **{name: getattr(right, name) for name in arrays}) == right
    return plain and all(
        np.array_equal(getattr(left, name), getattr(right, name)) for name in arrays
    )


def staged_of(data_dir: Path) -> Path:
    return next((data_dir / "staging").glob("*.h5"))


@pytest.mark.parametrize("n_rows", [1, 5, 12])
def test_every_row_before_a_kill_is_read_back(tmp_path: Path, n_rows: int) -> None:
    in_child(lambda: write_and_die(tmp_path, n_rows))
    left = rows_left(tmp_path)
    assert len(left) == n_rows
    assert all(is_same(row, given) for row, given in zip(left, ROWS, strict=False))


def test_sweeping_keeps_what_can_be_gone_on_from(tmp_path: Path) -> None:
    in_child(lambda: write_and_die(tmp_path, 3))
    assert sweep_staging(tmp_path) == []
    assert len(rows_left(tmp_path)) == 3
    staged_of(tmp_path).unlink()
    assert [path.suffix for path in sweep_staging(tmp_path)] == [".journal"]


def test_a_row_whose_bytes_changed_is_not_there(tmp_path: Path) -> None:
    in_child(lambda: write_and_die(tmp_path, 6))
    path = staged_of(tmp_path)
    flip_bit(path, path.read_bytes().find(ROWS[2].hidden_states.tobytes()[-64:]))
    ids = [row.sample_id for row in rows_left(tmp_path)]
    assert ids == [row.sample_id for row in ROWS[:6] if row is not ROWS[2]]


def test_a_file_cut_short_keeps_its_first_rows(tmp_path: Path) -> None:
    in_child(lambda: write_and_die(tmp_path, 12))
    path = staged_of(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    left = rows_left(tmp_path)
    assert 0 < len(left) < 12
    assert all(is_same(row, given) for row, given in zip(left, ROWS, strict=False))


def test_the_file_of_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    with TrajectoryWriter(staging_path(tmp_path, KEY), HEADER, is_durable=True) as writer:
        writer.append(ROWS[0])
        assert rows_left(tmp_path) == []
        for row in ROWS[1:]:
            writer.append(row)
        staged = writer.finish()
    assert rows_left(tmp_path) == []
    assert staged.journal is not None
    staged.journal.close()
    assert len(rows_left(tmp_path)) == 12


def test_an_error_in_the_same_process_keeps_the_rows_too(tmp_path: Path) -> None:
    def fail() -> None:
        with TrajectoryWriter(staging_path(tmp_path, KEY), HEADER, is_durable=True) as writer:
            writer.append(ROWS[0])
            writer.append(ROWS[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [row.sample_id for row in rows_left(tmp_path)] == [row.sample_id for row in ROWS[:2]]


def test_a_writer_without_rows_leaves_nothing(tmp_path: Path) -> None:
    with TrajectoryWriter(staging_path(tmp_path, KEY), HEADER, is_durable=True):
        pass
    assert list((tmp_path / "staging").iterdir()) == []


def test_publication_leaves_nothing_in_staging(tmp_path: Path) -> None:
    in_child(lambda: write_and_die(tmp_path, 4))
    with TrajectoryWriter(staging_path(tmp_path, KEY), HEADER, is_durable=True) as writer:
        for row in ROWS:
            writer.append(row)
        staged = writer.finish()
    publish(staged, tmp_path / KEY.trajectory_path)
    assert list((tmp_path / "staging").iterdir()) == []
    assert verify(tmp_path / KEY.trajectory_path).findings == []


def test_rows_of_a_condemned_file_are_never_used_again(tmp_path: Path) -> None:
    in_child(lambda: write_and_die(tmp_path, 4))
    condemn(staged_of(tmp_path))
    assert rows_left(tmp_path) == []


@given(
    cut=st.integers(0, 4000), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)))
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_damage_to_a_journal_makes_a_wrong_row(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    data_dir = tmp_path_factory.mktemp("journal")
    in_child(lambda: write_and_die(data_dir, 4))
    journal = journal_path(staged_of(data_dir))
    data = bytearray(journal.read_bytes())
    for position, bit in flips:
        data[position % len(data)] ^= 1 << bit
    journal.write_bytes(bytes(data[: max(0, len(data) - cut)]))
    given_rows = {row.sample_id: row for row in ROWS}
    for row in rows_left(data_dir):
        assert is_same(row, given_rows[row.sample_id])


def put_often(thread: WriteThread, work: Callable[[], None]) -> None:
    for _ in range(100):
        thread.put(work)


def test_a_failure_of_the_writing_thread_surfaces_and_stops_what_is_behind() -> None:
    done: list[int] = []

    def fail() -> None:
        raise StorageFullError("full", where="here", expected="room", got="none", fix="free some")

    thread = WriteThread("test", lambda: None)
    thread.put(lambda: done.append(1))
    thread.put(fail)
    with pytest.raises(StorageFullError):
        put_often(thread, lambda: done.append(2))
    with pytest.raises(StorageFullError):
        thread.close()
    assert set(done) == {1}
