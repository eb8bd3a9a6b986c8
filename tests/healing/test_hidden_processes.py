"""Where a system hides other people's processes, their files are not taken for abandoned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quarry.trajectory.staging import is_abandoned, owner_mark


def test_the_file_of_a_process_that_can_not_be_looked_at_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "from quarry.trajectory.staging import owner_mark; print(owner_mark()); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    name = f"x{other.stdout.readline().strip()}h5"
    read_text = Path.read_text

    def hidden(path: Path, encoding: str | None = None) -> str:
        if path == Path(f"/proc/{other.pid}/stat"):
            raise FileNotFoundError(path)
        return read_text(path, encoding)

    assert not is_abandoned(name)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", hidden)
        assert not is_abandoned(name)
    other.communicate("\n")
    assert is_abandoned(name)
    assert not is_abandoned(f"x{owner_mark()}h5")
