"""A full disk ends in one clear error; nothing half-written stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.errors import StorageFullError
from quarry.trajectory.layout import TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.space import full_disk_named, is_full, require_space
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.examples import make_header, make_rows, stage

ROOT = Path(__file__).resolve().parents[2]

LIMITED = """
import resource, sys
from pathlib import Path
from quarry.errors import StorageFullError
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.examples import make_header, make_rows

path, limit = Path(sys.argv[1]), int(sys.argv[2])
header = make_header(n_samples=40)
rows = make_rows(header)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with TrajectoryWriter(path, header) as writer:
        for row in rows:
            writer.append(row)
        writer.finish()
except StorageFullError as error:
    sys.exit(3 if not path.exists() and str(path) in str(error) else 4)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, timeout=10, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if made.returncode != 0:
        pytest.skip("mounting a file system needs more rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=10)


@pytest.mark.parametrize("limit", [0, 100, 8_000, 70_000, 100_000, 250_001, 400_000])
def test_a_write_that_fails_anywhere_is_named_and_leaves_nothing(
    tmp_path: Path, limit: int
) -> None:
    path = tmp_path / "staged.h5"
    made = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 3, made.stderr


def write_all(writer: TrajectoryWriter, rows: list[TrajectoryRow]) -> None:
    with writer:
        for row in rows:
            writer.append(row)


def test_a_disk_that_fills_up_while_collecting_stops_the_writer(small_disk: Path) -> None:
    header = make_header(n_samples=400)
    rows = make_rows(header)
    writer = TrajectoryWriter(small_disk / "staging" / "staged.h5", header)
    with pytest.raises(StorageFullError, match="Not enough space"):
        write_all(writer, rows)
    assert 10 < writer.n_rows < 400
    assert list((small_disk / "staging").iterdir()) == []
    staged = stage(small_disk, make_header())
    publish(staged, small_disk / "final.h5")


def test_room_is_asked_for_before_anything_is_written(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "staged.h5"
    with pytest.raises(StorageFullError, match="bytes free"):
        TrajectoryWriter(path, make_header(), expected_tokens=1_000_000)
    assert not path.exists()
    staged = stage(tmp_path, make_header(n_samples=100))
    (small_disk / "ballast").write_bytes(bytes(1 << 20))
    with pytest.raises(StorageFullError):
        publish(staged, small_disk / "final.h5")
    assert [one.name for one in small_disk.iterdir()] == ["ballast"]


def test_the_systems_own_errors_are_translated(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageFullError, match="/dev/full"),
        full_disk_named(Path("/dev/full")),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")
    from_h5py = RuntimeError("Can't flush (errno = 28, error message = 'No space left on device')")
    assert is_full(from_h5py)
    assert is_full(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
    assert not is_full(OSError(errno.EACCES, "Permission denied"))
    with pytest.raises(PermissionError), full_disk_named(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
    require_space(tmp_path / "file", 1)
