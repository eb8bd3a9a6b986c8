"""Commands that are passed on to the checkout's `manage.py`."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import quarry
from quarry.cli.platform import COMMANDS

MANAGE = """\
import json, sys, time
try:
    print(json.dumps(sys.argv[1:]), flush=True)
    if "--wait" in sys.argv:
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
sys.exit(int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0)
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with its own copy of the package, so that the real manage.py is not called."""
    package = Path(quarry.__file__).parent
    for part in (
        "__init__.py",
        "deployments.py",
        "errors.py",
        "keys.py",
        "cli",
        "grading/verdict.py",
    ):
        source, target = package / part, tmp_path / "quarry" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    (tmp_path / "manage.py").write_text(MANAGE)
    return tmp_path


def call(checkout: Path, *arguments: str, **options) -> subprocess.Popen[str]:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from quarry.cli.main import run; run()"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(checkout), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("command", list(COMMANDS))
def test_command_and_arguments_are_passed_on_as_they_are(checkout, tmp_path_factory, command):
    arguments = [command, "--missing", "--max", "4", "-x", "--help", "a b"]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    child = call(checkout, *arguments, cwd=elsewhere)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert json.loads(out) == arguments


@pytest.mark.parametrize("code", [0, 1, 2, 9])
def test_the_exit_code_is_passed_on(checkout, code):
    child = call(checkout, "check", str(code))
    child.communicate(timeout=60)
    assert child.returncode == code


def test_an_interrupt_lets_the_child_end_by_itself(checkout):
    child = call(checkout, "ui", "--wait", start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 7


def test_without_a_checkout_the_message_says_where_to_call_it(checkout, tmp_path_factory):
    (checkout / "manage.py").unlink()
    child = call(checkout, "demo", cwd=tmp_path_factory.mktemp("elsewhere"))
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (2, "")
    assert "needs a checkout" in err
    assert "Traceback" not in err
