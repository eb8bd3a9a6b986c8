"""Stdout as a terminal, and model output that would drive it."""

import os
import pty
import subprocess

import pytest

from quarry.cli.output import printable
from tests.cli.conftest import QUARRY


def on_a_terminal(*arguments: object) -> str:
    """What a wide terminal shows on stdout and stderr together."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*QUARRY, *map(str, arguments)],
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "240", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = bytearray()
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert child.wait(timeout=60) == 0
    return shown.decode()


def test_a_terminal_gets_a_drawn_table_and_a_progress_bar(pristine_grid):
    shown = on_a_terminal("verify", pristine_grid / "data", "--level", "light")
    assert "─" in shown
    assert "━" in shown
    assert "| clean" not in shown


def test_json_on_a_terminal_is_not_decorated(pristine_grid):
    file = next((pristine_grid / "data").rglob("gsm8k_trajectories.h5"))
    shown = on_a_terminal("inspect", file, "--json")
    assert shown.lstrip().startswith("{")
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("中文 é", "中文 é"),
    ],
)
def test_control_characters_of_model_output_are_made_visible(text, shown):
    assert printable(text) == shown
