"""What of this machine programs may see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quarry.errors import SandboxUnavailableError
from quarry.sandbox.bubblewrap import bubblewrap_command
from quarry.sandbox.visible_paths import VisiblePaths, interpreter, library_path, visible_paths
from tests.sandbox.boxes import Box


def test_everything_shown_exists_and_nothing_of_a_home_beside_the_interpreter():
    visible = visible_paths()
    home = str(Path.home())
    for path in visible.shown:
        assert Path(path).exists()
        assert path != "/"
        if path.startswith(home + "/"):
            assert path.startswith((sys.base_prefix, str(Path(__file__).parents[2] / "quarry")))


def test_the_interpreter_runs_without_its_virtual_environment():
    done = subprocess.run(
        [interpreter(), "-I", "-S", "-c", "import sys; print(sys.version)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == sys.version


def test_python_inside_another_program_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "_base_executable", "")
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SandboxUnavailableError, match="interpreter"):
        interpreter()


def test_a_layer_that_can_not_hide_shows_what_lies_around(tmp_path: Path):
    for name in ("json", "site-packages", "os.py"):
        (tmp_path / name).mkdir()
    visible = VisiblePaths(
        (str(tmp_path), "/other"), (str(tmp_path / "site-packages"),), {"numpy": "/far/numpy"}
    )
    assert sorted(visible.without_hidden()) == sorted(
        ["/far/numpy", "/other", str(tmp_path / "json"), str(tmp_path / "os.py")]
    )


def test_bubblewrap_shows_read_only_hides_and_ends_with_the_command():
    visible = VisiblePaths(("/usr/x",), ("/usr/x/site-packages",), {"numpy": "/far/numpy"})
    command = bubblewrap_command(visible, ["python", "boot.py"])
    line = " ".join(command)
    assert "--ro-bind /usr/x /usr/x" in line
    assert "--tmpfs /usr/x/site-packages --remount-ro /usr/x/site-packages" in line
    assert "--ro-bind /far/numpy /packages/numpy" in line
    assert command[-3:] == ("--", "python", "boot.py")
    assert "--bind" not in command
    assert "--proc" not in command


def test_programs_find_numpy_and_no_other_package(box: Box):
    program = """
import importlib.util
report = [bool(importlib.util.find_spec(name)) for name in ("numpy", "pytest", "dagster", "yaml")]
"""
    assert box.run(program) == [True, False, False, False]


def test_of_the_library_path_only_what_python_needs_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("python", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "python" / "libpython3.11.so.1.0").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path / 'private'}:{tmp_path / 'python'}:")
    assert library_path() == str(tmp_path / "python")
    monkeypatch.delenv("LD_LIBRARY_PATH")
    assert library_path() == ""
