"""`Follower`: does what a page says, block by block, and says where the page is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from quarry.catalog import Catalog
from tests.guide.expectations import unseen
from tests.guide.pages import Block, exit_code
from tests.guide.substitutions import MAKE_UI, instead_of
from tests.guide.terminal import Terminal
from tests.live_processes import free_port

_FILE = re.compile(r"# (\S+\.yaml)\n")


@dataclass
class Follower:
    """Follows one page.

    Args:
        terminal: where it types.
        tree: the checkout's copy.
        stand_ins: what substitutions are filled in with.
        wrong: every place where the page is wrong, with what happened.
    """

    terminal: Terminal
    tree: Path
    stand_ins: dict[str, str]
    wrong: list[str] = field(default_factory=list[str])

    def follow(self, block: Block) -> None:
        """Do what a block says, and look for what the page says one sees."""
        done = {"bash": self._type, "python": self._python, "yaml": self._yaml}
        printed = done[block.language](block)
        for line in unseen(block.seen, printed):
            self.wrong.append(f"{block.place} shows {line!r}, which is not in:\n{printed}")

    def _type(self, block: Block) -> str:
        printed = ""
        for command in block.commands:
            if command.strip() == MAKE_UI:
                printed += self._open_ui()
                continue
            code, text = self.terminal.run(instead_of(command).format_map(_Names(self.stand_ins)))
            printed += text
            if code != exit_code(command):
                self.wrong.append(f"{block.place}: `{command}` ended with {code}:\n{text}")
        return printed

    def _open_ui(self) -> str:
        """The UI on a free port; what it prints, with the port that the page says."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        log = self.tree.parent / f"ui-{port}.log"
        return self.terminal.start(f"{MAKE_UI} PORT={port}", log, url)

    def _python(self, block: Block) -> str:
        script = self.tree.parent / "block.py"
        script.write_text(block.text, encoding="utf-8")
        code, printed = self.terminal.run(f".venv/bin/python -W error::SyntaxWarning {script}")
        if code:
            self.wrong.append(f"{block.place} ended with {code}:\n{printed}")
        return printed

    def _yaml(self, block: Block) -> str:
        """A whole catalog is written to the file that it names; a part has to fit into the last."""
        mine = self.tree / "catalog" / "mine.yaml"
        if named := _FILE.match(block.text):
            (self.tree / named[1]).write_text(block.text, encoding="utf-8")
        else:
            whole: dict[str, Any] = yaml.safe_load(mine.read_text(encoding="utf-8"))
            for key, value in yaml.safe_load(block.text).items():
                whole[key] = {**whole.get(key, {}), **value}
            Catalog.model_validate(whole)
        return ""


class _Names(dict[str, str]):
    """Leaves braces of the shell alone."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"
