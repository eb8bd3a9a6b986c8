"""`quarry` itself: help, version, how errors and interrupts end."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

import quarry
from quarry.cli.main import app
from quarry.cli.platform import COMMANDS
from tests.cli.conftest import QUARRY

HEAVY = ("torch", "transformers", "pandas", "numpy", "h5py", "pyarrow", "matplotlib", "datasets")


def test_the_version_is_the_packages(cli):
    done = cli("--version")
    assert (done.returncode, done.stdout) == (0, f"quarry {quarry.__version__}\n")


@pytest.mark.parametrize("command", ["verify", "inspect", "audit", "grade"])
def test_every_command_explains_itself_with_an_example(command):
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0
    assert f"Example: quarry {command}" in re.sub(r"[`\x1b]|\[\d*m", "", done.output)


def test_help_lists_every_command():
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    for command in ("verify", "inspect", "audit", "grade", *COMMANDS):
        assert command in done.output


def test_the_command_line_starts_without_any_heavy_library():
    code = f"import sys, quarry.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_an_unknown_command_ends_with_2(cli):
    done = cli("polish")
    assert (done.returncode, done.stdout) == (2, "")
    assert "polish" in done.stderr


def test_a_reader_that_leaves_early_ends_the_command_quietly(pristine_grid):
    child = subprocess.Popen(
        [*QUARRY, "verify", "--json", "--level", "light", pristine_grid / "data"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(timeout=60) == 141


def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path):
    fifo = tmp_path / "completions.jsonl"
    os.mkfifo(fifo)
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text('{"question": "q", "answer": "a\\n#### 1"}\n')
    child = subprocess.Popen(
        [*QUARRY, "grade", str(fifo), "--benchmark", "gsm8k", "--mirror", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with fifo.open("w"):
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert out == ""
    assert "Traceback" not in err
