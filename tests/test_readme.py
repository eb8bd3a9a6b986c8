"""What the README names exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from definitions import Deployment, build_defs

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\((docs/[^)]+)\)", README))))
def test_every_picture_and_page_is_there(name: str):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)", README))))
def test_every_make_target_is_there(target: str):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^quarry ([\w-]+)", SHELL, re.MULTILINE)))
)
def test_every_command_explains_itself(command: str):
    done = subprocess.run(
        [sys.executable, "-c", "from quarry.cli.main import run; run()", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_every_asset_and_check_of_the_graph_is_explained(tmp_path: Path):
    graph = build_defs(Deployment(ROOT / "catalog/demo.yaml", tmp_path)).resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    names |= {key.name for key in graph.asset_check_keys}
    assert {name for name in names if f"`{name}`" not in README} == set()


def test_every_setting_is_one_that_is_read():
    text = "".join((ROOT / name).read_text() for name in ("definitions.py", "commands/platform.py"))
    named = set(re.findall(r"`((?:QUARRY|DAGSTER)_\w+)`", README))
    assert {name for name in named if name not in text} == set()
