"""What the guide names exists: pages, commands, options, settings, checks, buttons."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import dagster_webserver
import pytest
from typer import Typer
from typer.main import get_command

import manage
from definitions import Deployment, build_defs
from quarry.cli import main, platform
from tests.guide.pages import GUIDE, ROOT, Block, blocks, index, links, prose
from tests.guide.substitutions import SUBSTITUTIONS

PAGES = sorted(GUIDE.glob("*.md"))
OTHERS = {"DAGSTER_HOME", "HF_HOME", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "PIP_EXTRA_INDEX_URL"}
_CODE = re.compile(r"`([^`\n]+)`")
_LABEL = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
_CHECK = re.compile(r"^### `(\w+)`\n((?:- .*\n)+)", re.MULTILINE)


def all_blocks() -> list[Block]:
    return [block for page in index() for block in blocks(page)]


def all_commands() -> list[str]:
    """Everything that calls quarry, in blocks and within sentences."""
    typed = [command for block in all_blocks() for command in block.commands]
    typed += [code for page in PAGES for code in _CODE.findall(prose(page))]
    found = [re.search(r"\bquarry [a-z-]+.*", line) for line in typed]
    return [match[0] for match in found if match]


def commands_of(app: Typer) -> dict[str, Any]:
    return getattr(get_command(app), "commands")  # noqa: B009 - typer does not say that it is a group


@cache
def options() -> dict[str, set[str]]:
    """The options of each command."""
    found: dict[str, set[str]] = {}
    for app in (main.app, manage.app):
        for name, command in commands_of(app).items():
            names = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
            found[name] = found.get(name, set()) | names | {"--help"}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    assert [to for to in links(page) if not (page.parent / to.partition("#")[0]).exists()] == []


def test_the_index_lists_every_page_and_the_readme_the_guide():
    assert {page.name for page in index()} == {page.name for page in PAGES} - {"README.md"}
    assert "docs/guide/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", sorted(set(all_commands())))
def test_every_command_exists_with_its_options(line: str):
    words = shlex.split(line.replace("<", "'<").replace(">", ">'"), comments=True)[1:]
    if words[0] == "--version":
        return
    assert words[0] in options()
    named = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
    assert named - options()[words[0]] == set()


def test_commands_that_need_dagster_are_known_to_both_sides():
    assert set(platform.COMMANDS) == set(commands_of(manage.app))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_setting_exists(page: Path):
    text, makefile = page.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z][\w-]+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    read = "".join((ROOT / name).read_text() for name in ("definitions.py", "commands/platform.py"))
    named = set(re.findall(r"\b((?:QUARRY|DAGSTER|HF|CUDA|PIP)_[A-Z0-9_]+)\b", text))
    assert {name for name in named - OTHERS if name not in read} == set()


def test_every_check_of_the_graph_is_explained_and_no_other(tmp_path: Path):
    deployment = Deployment(ROOT / "catalog/demo.yaml", tmp_path, store=str(tmp_path / "store"))
    graph = build_defs(deployment).resolve_asset_graph()
    told = dict(_CHECK.findall((GUIDE / "checks.md").read_text(encoding="utf-8")))
    assert set(told) == {key.name for key in graph.asset_check_keys}
    for name, lines in told.items():
        assert re.findall(r"^- (Says|Causes|Do)\b", lines, re.MULTILINE) == [
            "Says",
            "Causes",
            "Do",
        ], name


def test_every_button_tab_and_page_is_one_of_the_ui():
    folder = Path(dagster_webserver.__file__).parent / "webapp" / "build"
    bundle = "".join(path.read_text(errors="ignore") for path in sorted(folder.rglob("*.js")))
    named = {label.rstrip("…") for page in index() for label in _LABEL.findall(prose(page))}
    assert named
    assert {label for label in named if f'"{label}' not in bundle} == set()


def test_every_block_is_of_a_kind_that_is_tried():
    assert {block.language for block in all_blocks()} == {"bash", "python", "yaml"}


def test_no_stand_in_is_left_over():
    typed = [line.partition("  #")[0].strip() for one in all_blocks() for line in one.commands]
    unused = [one.command for one in SUBSTITUTIONS if not any(map(one.matches, typed))]
    assert unused == []
